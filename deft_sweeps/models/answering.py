"""How a family answers: it writes text, or a head reads its hidden states.

Imports torch inside the methods that need it, so that a family is described without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from deft_sweeps.config.data import Form

if TYPE_CHECKING:
    from torch import Tensor, nn


def first_tokens_differ(class_ids: Sequence[Sequence[int]]) -> bool:
    """Whether every class begins with a token of its own."""
    return len({ids[0] for ids in class_ids}) == len(class_ids)


@dataclass(frozen=True, slots=True)
class HeadAnswering:
    """Answers through a head that is trained beside the PEFT method.

    Attributes:
        activation: between the projection of the first token and the output layer, as the
            family's own classification head has it.
        projection: path of that projection in the family's own model for classification.
        output: path of the output layer there.
        span_output: path of the output layer in the family's own model for question answering.
    """

    form: ClassVar[Form] = "head"

    activation: Literal["tanh", "relu"]
    projection: str
    output: str
    span_output: str = "qa_outputs"


class TextAnswering(Protocol):
    """Answers by writing text, token by token."""

    form: ClassVar[Form]

    @property
    def n_start(self) -> int:
        """Tokens at the front of `generate`'s output that the model was given, not wrote."""
        ...

    def first_token_scores(self, logits: "Tensor", class_ids: Sequence[Sequence[int]]) -> "Tensor":
        """Log-odds of each class from the first token of its text.

        No other label token can influence it, so one teacher-forced pass scores every class.

        Args:
            logits: (batch, tokens, vocabulary), teacher-forced.
            class_ids: token ids of each class's target text, the first ones distinct.

        Returns:
            (batch, classes)
        """
        ...

    def whole_label_scores(
        self,
        model: "nn.Module",
        inputs: Mapping[str, Any],
        class_ids: Sequence[Sequence[int]],
    ) -> "Tensor":
        """Log-likelihood of each class's whole target text.

        Args:
            model: that answers.
            inputs: `input_ids` and `attention_mask`, both (batch, tokens).
            class_ids: token ids of each class's target text.

        Returns:
            (batch, classes), in nats.
        """
        ...

    def generate(
        self,
        model: "nn.Module",
        inputs: Mapping[str, Any],
        *,
        max_new_tokens: int,
        end_id: int,
        processors: Sequence[Any] = (),
    ) -> "Tensor":
        """Greedy decoding.

        Args:
            model: that writes.
            inputs: `input_ids` and `attention_mask`, both (batch, tokens).
            max_new_tokens: after which a text is cut.
            end_id: token that ends a text.
            processors: of transformers, called with each step's scores.

        Returns:
            (batch, n_start + longest text), token ids.
        """
        ...


@dataclass(frozen=True, slots=True)
class EncoderDecoderAnswering:
    """Text from a decoder that reads an encoder's output; see TextAnswering."""

    form: ClassVar[Form] = "text-to-text"

    @property
    def n_start(self) -> int:
        """The decoder's start token stands before the answer."""
        return 1

    def first_token_scores(self, logits: "Tensor", class_ids: Sequence[Sequence[int]]) -> "Tensor":
        """The first position's logits of the classes' first tokens."""
        import torch

        first = torch.tensor([ids[0] for ids in class_ids], device=logits.device)
        return logits[:, 0].float().index_select(1, first)

    def whole_label_scores(
        self,
        model: "nn.Module",
        inputs: Mapping[str, Any],
        class_ids: Sequence[Sequence[int]],
    ) -> "Tensor":
        """The encoder runs once for all classes."""
        import torch

        n, device = inputs["input_ids"].shape[0], inputs["input_ids"].device
        encoded: Any = None
        scores = []
        for ids in class_ids:
            labels = torch.tensor([ids] * n, device=device)
            # None runs the encoder; afterwards its output is used again.
            out = model(
                input_ids=inputs["input_ids"] if encoded is None else None,
                encoder_outputs=encoded,
                attention_mask=inputs["attention_mask"],
                labels=labels,
                use_cache=False,
            )
            encoded = (out.encoder_last_hidden_state,)
            log_probabilities = out.logits.float().log_softmax(-1)
            scores.append(log_probabilities.gather(-1, labels.unsqueeze(-1)).sum((1, 2)))
        return torch.stack(scores, dim=1)

    def generate(
        self,
        model: "nn.Module",
        inputs: Mapping[str, Any],
        *,
        max_new_tokens: int,
        end_id: int,
        processors: Sequence[Any] = (),
    ) -> "Tensor":
        """Greedy decoding with a cache of keys and values."""
        from transformers import DynamicCache, EncoderDecoderCache, LogitsProcessorList

        writer: Any = model
        written: Tensor = writer.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            eos_token_id=end_id,
            use_cache=True,
            logits_processor=LogitsProcessorList(processors),
            # transformers would make a cache as deep as the encoder; the decoder may be deeper.
            past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
        )
        return written


Answering = HeadAnswering | TextAnswering

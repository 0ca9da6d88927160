"""The head that a model answers through: trained beside the PEFT method.

It is never part of the frozen base, so tasks share bases.

A class or a number is read off the first token: through the model's pretrained pooler, which stays
frozen, or through a projection of the head's own, as each family is usually fine-tuned. An answer's
first and last token are read off every token.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from deft_sweeps.config.data import TaskKind
from deft_sweeps.config.layout import Layout
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.models.families import family_of, writing_families
from deft_sweeps.tasks.task_data import TaskData

_STD = 0.02
_ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu}


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """What a task asks of a head.

    Attributes:
        n_outputs: classes; 1 for a number; 2, start and end, for a span.
        offset: where a number's bias starts: the mean over the training examples.
    """

    kind: TaskKind
    n_outputs: int
    offset: float = 0.0

    @staticmethod
    def of(data: TaskData) -> "HeadSpec | None":
        """The head of a task; None where the model writes its answer.

        Raises:
            ConfigError: no head gives such answers.
        """
        if data.form == "text-to-text":
            return None
        match data.kind:
            case "classification":
                return HeadSpec(data.kind, len(data.classes))
            case "regression":
                return HeadSpec(data.kind, 1, mean_target(data))
            case "span":
                return HeadSpec(data.kind, 2)
            case "text":
                writers = writing_families()
                what = f"a model with a head cannot write free text; take one of {writers}"
                raise ConfigError([Problem("model", what)])


def mean_target(data: TaskData) -> float:
    """Mean number of a regression task's training examples."""
    targets = data.references["train"]
    return float(sum(targets) / len(targets))


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """What a head says.

    Attributes:
        logits: float32; (batch, n_outputs), or (batch, tokens, 2) of a span, lowest on padding.
    """

    logits: Tensor


class Headed(nn.Module):
    """An encoder and the head over it.

    Args:
        encoder: with its PEFT method attached.
        pooler: the encoder's pretrained projection of the first token; None gives the head one of
            its own.
        d_model: width of the encoder's hidden states.
        activation: between the projection and the output layer.
        spec: of the head.
    """

    def __init__(
        self,
        encoder: nn.Module,
        pooler: nn.Module | None,
        d_model: int,
        activation: Literal["tanh", "relu"],
        spec: HeadSpec,
    ) -> None:
        super().__init__()
        device = next(encoder.parameters()).device
        self.encoder = encoder
        self.is_span = spec.kind == "span"
        self.activation = _ACTIVATIONS[activation]
        self.pooler: nn.Module | None = None
        if not self.is_span:
            self.pooler = pooler if pooler is not None else _linear(d_model, d_model, device)
        self.out = _linear(d_model, spec.n_outputs, device)
        nn.init.constant_(self.out.bias, spec.offset)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **kwargs: Any) -> HeadOutput:
        """Classes, a number or the ends of a span, from the encoder's hidden states."""
        hidden = self.encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            **kwargs,
        ).last_hidden_state
        # Virtual tokens stand before the real ones.
        hidden = hidden[:, -input_ids.shape[1] :]
        if self.pooler is None:
            logits = self.out(hidden.float())
            padding = attention_mask.unsqueeze(-1) == 0
            return HeadOutput(logits.masked_fill(padding, torch.finfo(logits.dtype).min))
        first = hidden[:, 0].to(next(self.pooler.parameters()).dtype)
        return HeadOutput(self.out(self.activation(self.pooler(first)).float()))


def with_head(model: nn.Module, encoder: nn.Module, layout: Layout, spec: HeadSpec) -> Headed:
    """Put a head over `encoder`, with initial values from torch's global generator.

    Args:
        model: the encoder as it was before the PEFT method was attached to it.
        encoder: with the PEFT method.
        layout: of the model.
        spec: of the head.

    Raises:
        ValueError: the family answers by text.
    """
    answering = family_of(layout).head
    if answering is None:
        raise ValueError(f"{layout.family} answers by text, not by a head")
    pooler = None if layout.pooler is None else model.get_submodule(layout.pooler)
    return Headed(encoder, pooler, layout.d_model, answering.activation, spec)


def _linear(n_in: int, n_out: int, device: torch.device) -> nn.Linear:
    made = nn.Linear(n_in, n_out, device=device)
    nn.init.normal_(made.weight, std=_STD)
    nn.init.zeros_(made.bias)
    return made

"""From a model's outputs to predictions that a metric can compare: by the task's kind, and by how the model answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, LogitsProcessor, LogitsProcessorList

from deft_sweeps.axes.decoding import GenerationMeter, generated_lengths
from deft_sweeps.tasks.batches import Batch
from deft_sweeps.tasks.passages import Written, best_written
from deft_sweeps.tasks.spans import Window, best_answers
from deft_sweeps.tasks.task_data import TaskData


def class_scores(logits: Tensor, class_ids: Sequence[Sequence[int]]) -> Tensor:
    """Log-odds of each class from its first token, which no earlier label token can influence.

    Args:
        logits: (batch, tokens, vocabulary), teacher-forced.
        class_ids: token ids of each class's target text, the first ones distinct.

    Returns:
        (batch, classes)
    """
    first = torch.tensor([ids[0] for ids in class_ids], device=logits.device)
    return logits[:, 0].float().index_select(1, first)


def first_tokens_tell(class_ids: Sequence[Sequence[int]]) -> bool:
    """Whether every class begins with a token of its own."""
    return len({ids[0] for ids in class_ids}) == len(class_ids)


def whole_label_scores(model: nn.Module, inputs: dict[str, Any], class_ids: Sequence[Sequence[int]]) -> Tensor:
    """Log-likelihood of each class's whole target text, (batch, classes), over one run of the encoder."""
    n, device = inputs["input_ids"].shape[0], inputs["input_ids"].device
    encoded: Any = None
    scores = []
    for ids in class_ids:
        labels = torch.tensor([ids] * n, device=device)
        source = {"input_ids": inputs["input_ids"]} if encoded is None else {"encoder_outputs": encoded}
        out = model(**source, attention_mask=inputs["attention_mask"], labels=labels, use_cache=False)
        encoded = (out.encoder_last_hidden_state,)
        scores.append(out.logits.float().log_softmax(-1).gather(-1, labels.unsqueeze(-1)).sum((1, 2)))
    return torch.stack(scores, dim=1)


def as_number(text: str, otherwise: float) -> float:
    """The number that a text writes; `otherwise` where it writes none."""
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if value - value == 0 else otherwise


class Confidence(LogitsProcessor):  # type: ignore[misc]
    """Reads the log-probability of each token that greedy decoding takes, and of ending at once; changes nothing.

    Attributes:
        steps: (batch,) for each token.
        empty: (batch,), of the end as the first token.
    """

    def __init__(self, end_id: int) -> None:
        self._end_id = end_id
        self.steps: list[Tensor] = []
        self.empty = torch.zeros(0)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        told = scores.float().log_softmax(-1)
        if not self.steps:
            self.empty = told[:, self._end_id]
        self.steps.append(told.amax(-1))
        return scores

    def __deepcopy__(self, _: dict[int, Any]) -> "Confidence":
        # peft copies what `generate` is given; a copy would read, and this one would not.
        return self

    def means(self, lengths: Tensor) -> Tensor:
        """Mean over the first `lengths` (batch,) tokens of each sample."""
        steps = torch.stack(self.steps, dim=1)
        real = torch.arange(steps.shape[1], device=steps.device) < lengths.unsqueeze(1)
        return (steps * real).sum(1) / lengths


@dataclass(frozen=True, slots=True)
class Answers:
    """Reads a model's answers to one split.

    Attributes:
        split: `validation` or `test`, whose contexts and references count.
        tokenizer: the model's.
        max_new_tokens: of a text that the model writes.
        middle: what a regression's text stands for that is no number: the mean of the training targets.
    """

    model: nn.Module
    data: TaskData
    split: str
    tokenizer: Any
    max_new_tokens: int
    middle: float = 0.0

    @property
    def writes(self) -> bool:
        """Whether answers are generated token by token; classes are told apart by the likelihood of their texts instead."""
        return self.data.form == "text-to-text" and self.data.kind != "classification"

    def of_batch(self, places: Sequence[int], batch: Batch, inputs: dict[str, Any], logits: Tensor, meter: GenerationMeter) -> list[Any]:
        """One answer a row: a class index, a number, a text, or what a window says of the answer.

        Args:
            places: of the rows in the split.
            batch: the rows.
            inputs: of the teacher-forced pass.
            logits: that the pass gave.
            meter: counts while the model writes; not used otherwise.
        """
        match (self.data.form, self.data.kind):
            case ("text-to-text", "classification"):
                ids = self.data.class_ids
                scores = class_scores(logits, ids) if first_tokens_tell(ids) else whole_label_scores(self.model, inputs, ids)
                return [int(i) for i in scores.argmax(-1).tolist()]
            case ("text-to-text", "regression"):
                return [as_number(text, self.middle) for text in self._write(inputs, meter)]
            case ("text-to-text", "text"):
                return self._write(inputs, meter)
            case ("text-to-text", "span"):
                return self._passages(batch, inputs, meter)
            case ("head", "classification"):
                return [int(i) for i in logits.argmax(-1).tolist()]
            case ("head", "regression"):
                return [float(value) for value in logits[:, 0].tolist()]
            case ("head", "span"):
                return self._windows(places, batch, logits)
            case unanswered:
                raise ValueError(f"no model answers like this: {unanswered}")

    def by_example(self, places: Sequence[int], answers: Sequence[Any]) -> list[Any]:
        """One prediction an example, in the split's order, from the answers of all rows.

        Args:
            places: of each answer's row in the split.
            answers: as `of_batch` gave them.
        """
        if answers and isinstance(answers[0], Window):
            contexts = self.data.contexts[self.split]
            return list(best_answers(answers, contexts, may_be_none=self.data.may_be_none))
        if answers and isinstance(answers[0], Written):
            return list(best_written(answers, len(self.data.references[self.split]), may_be_none=self.data.may_be_none))
        in_order = [None] * len(answers)
        for place, answer in zip(places, answers, strict=True):
            in_order[place] = answer
        return in_order

    def _passages(self, batch: Batch, inputs: dict[str, Any], meter: GenerationMeter) -> list[Written]:
        if batch.example is None:
            raise ValueError("expected windows that say whose they are")
        confidence = Confidence(int(self.tokenizer.eos_token_id))
        texts, lengths = self._decode(inputs, meter, confidence)
        told = zip(batch.example.tolist(), texts, confidence.means(lengths).tolist(), confidence.empty.tolist(), strict=True)
        return [Written(*one) for one in told]

    def _write(self, inputs: dict[str, Any], meter: GenerationMeter) -> list[str]:
        return self._decode(inputs, meter)[0]

    def _decode(self, inputs: dict[str, Any], meter: GenerationMeter, *readers: LogitsProcessor) -> tuple[list[str], Tensor]:
        """Greedy decoding: the texts, and how many tokens each of them is, (batch,)."""
        model: Any = self.model
        end_id = int(self.tokenizer.eos_token_id)
        with meter.reading(inputs["attention_mask"]):
            out = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                num_beams=1,
                eos_token_id=end_id,
                use_cache=True,
                logits_processor=LogitsProcessorList(readers),
                # The one that transformers would make is as deep as the encoder, which the decoder may be deeper than.
                past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
            )
        lengths = generated_lengths(out, [end_id])
        meter.close(lengths)
        # The first token is the one that decoding starts from.
        return [text.strip() for text in self.tokenizer.batch_decode(out[:, 1:], skip_special_tokens=True)], lengths

    def _windows(self, places: Sequence[int], batch: Batch, logits: Tensor) -> list[Window]:
        if batch.example is None:
            raise ValueError("expected windows that say whose they are")
        rows = getattr(self.data, self.split)
        scores = logits.float().cpu().numpy()
        return [
            Window(example=example, begins=row["begins"], ends=row["ends"], start=score[:, 0], end=score[:, 1])
            for example, row, score in zip(batch.example.tolist(), (rows[place] for place in places), scores, strict=True)
        ]

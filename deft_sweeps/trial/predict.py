"""From a model's outputs to predictions, by the task's kind and by how the model answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LogitsProcessor

from deft_sweeps.axes.decoding import GenerationMeter, generated_lengths
from deft_sweeps.models.answering import (
    Answering,
    HeadAnswering,
    TextAnswering,
    first_tokens_differ,
)
from deft_sweeps.tasks.batches import Batch
from deft_sweeps.tasks.passages import Written, best_written
from deft_sweeps.tasks.spans import WindowScores, best_answers
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.tasks.tokens import written_number


class TokenConfidence(LogitsProcessor):  # type: ignore[misc]
    """Reads the log-probability of each token that greedy decoding takes; changes nothing.

    Attributes:
        steps: (batch,) for each token.
        empty: (batch,), of the end as the first token.
    """

    def __init__(self, end_id: int) -> None:
        self._end_id = end_id
        self.steps: list[Tensor] = []
        self.empty = torch.zeros(0)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Pass the scores on, and note the log-probability of each row's best token."""
        log_probabilities = scores.float().log_softmax(-1)
        if not self.steps:
            self.empty = log_probabilities[:, self._end_id]
        self.steps.append(log_probabilities.amax(-1))
        return scores

    def __deepcopy__(self, _: dict[int, Any]) -> "TokenConfidence":
        # peft copies what `generate` is given; a copy would read, and this one would not.
        return self

    def means(self, lengths: Tensor) -> Tensor:
        """Mean over the first `lengths` (batch,) tokens of each sample."""
        steps = torch.stack(self.steps, dim=1)
        real = torch.arange(steps.shape[1], device=steps.device) < lengths.unsqueeze(1)
        return (steps * real).sum(1) / lengths


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads a model's answers to one split.

    Attributes:
        answering: of the model's family.
        split: `validation` or `test`, whose contexts and references count.
        tokenizer: the model's.
        max_new_tokens: of a text that the model writes.
        middle: number that a regression's text counts as if it is none: the mean of the training
            targets.
    """

    model: nn.Module
    answering: Answering
    data: TaskData
    split: str
    tokenizer: Any
    max_new_tokens: int
    middle: float = 0.0

    @property
    def writes(self) -> bool:
        """Whether answers are generated token by token.

        Classes are not: the likelihoods of their texts are compared.
        """
        return self.data.form == "text-to-text" and self.data.kind != "classification"

    def of_batch(
        self,
        places: Sequence[int],
        batch: Batch,
        inputs: dict[str, Any],
        logits: Tensor,
        meter: GenerationMeter,
    ) -> list[Any]:
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
                return [int(i) for i in self._class_scores(inputs, logits).argmax(-1).tolist()]
            case ("text-to-text", "regression"):
                return [written_number(text, self.middle) for text in self._write(inputs, meter)]
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

    @property
    def text(self) -> TextAnswering:
        """How the model writes.

        Raises:
            ValueError: it answers by a head.
        """
        if isinstance(self.answering, HeadAnswering):
            raise ValueError("expected a model that answers by text, got one with a head")
        return self.answering

    def _class_scores(self, inputs: dict[str, Any], logits: Tensor) -> Tensor:
        class_ids = self.data.class_ids
        if first_tokens_differ(class_ids):
            return self.text.first_token_scores(logits, class_ids)
        return self.text.whole_label_scores(self.model, inputs, class_ids)

    def by_example(self, places: Sequence[int], answers: Sequence[Any]) -> list[Any]:
        """One prediction an example, in the split's order, from the answers of all rows.

        Args:
            places: of each answer's row in the split.
            answers: as `of_batch` gave them.
        """
        if answers and isinstance(answers[0], WindowScores):
            contexts = self.data.contexts[self.split]
            return list(best_answers(answers, contexts, may_be_none=self.data.may_be_none))
        if answers and isinstance(answers[0], Written):
            return list(
                best_written(
                    answers,
                    len(self.data.references[self.split]),
                    may_be_none=self.data.may_be_none,
                )
            )
        in_order = [None] * len(answers)
        for place, answer in zip(places, answers, strict=True):
            in_order[place] = answer
        return in_order

    def _passages(
        self,
        batch: Batch,
        inputs: dict[str, Any],
        meter: GenerationMeter,
    ) -> list[Written]:
        if batch.example is None:
            raise ValueError("expected windows that say whose they are")
        confidence = TokenConfidence(int(self.tokenizer.eos_token_id))
        texts, lengths = self._decode(inputs, meter, confidence)
        means, empty = confidence.means(lengths).tolist(), confidence.empty.tolist()
        windows = zip(batch.example.tolist(), texts, means, empty, strict=True)
        return [Written(*window) for window in windows]

    def _write(self, inputs: dict[str, Any], meter: GenerationMeter) -> list[str]:
        return self._decode(inputs, meter)[0]

    def _decode(
        self,
        inputs: dict[str, Any],
        meter: GenerationMeter,
        *readers: LogitsProcessor,
    ) -> tuple[list[str], Tensor]:
        """Greedy decoding: the texts, and how many tokens each of them is, (batch,)."""
        end_id = int(self.tokenizer.eos_token_id)
        with meter.reading(inputs["attention_mask"]):
            out = self.text.generate(
                self.model,
                inputs,
                max_new_tokens=self.max_new_tokens,
                end_id=end_id,
                processors=readers,
            )
        n_start = self.text.n_start
        lengths = generated_lengths(out, [end_id], n_start)
        meter.close(lengths)
        texts = self.tokenizer.batch_decode(out[:, n_start:], skip_special_tokens=True)
        return [text.strip() for text in texts], lengths

    def _windows(self, places: Sequence[int], batch: Batch, logits: Tensor) -> list[WindowScores]:
        if batch.example is None:
            raise ValueError("expected windows that say whose they are")
        rows = getattr(self.data, self.split)
        examples, read = batch.example.tolist(), [rows[place] for place in places]
        scores = logits.float().cpu().numpy()
        return [
            WindowScores(
                example=example,
                begins=row["begins"],
                ends=row["ends"],
                start=score[:, 0],
                end=score[:, 1],
            )
            for example, row, score in zip(examples, read, scores, strict=True)
        ]

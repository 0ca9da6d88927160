"""From what a runtime computes to answers, by the rules that the trial was measured by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.prediction import Prediction
from deft_sweeps.deploy.runtime import GeneratedText
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.passages import Written, best_written
from deft_sweeps.tasks.prepare import Plan
from deft_sweeps.tasks.spans import WindowScores, best_answers
from deft_sweeps.tasks.tokens import written_number

if TYPE_CHECKING:
    from deft_sweeps.task_metrics import Scored


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a runtime computed for some examples.

    Attributes:
        example: (rows,), index of each row's example; several where a context takes several
            windows.
        scores: of each row: (classes,) log-probabilities or logits, (1,) a number, or (tokens, 2)
            logits of a span's ends; empty where texts are written.
        texts: of each row, what was written; empty for the others.
        places: of each row of a span's head, where each token begins and ends in the context, -1
            for a token that is not of it; empty for the others.
    """

    example: tuple[int, ...]
    scores: tuple[NDArray[np.float32], ...] = ()
    texts: tuple[GeneratedText, ...] = ()
    places: tuple[tuple[Sequence[int], Sequence[int]], ...] = ()


class AnswerDecoder:
    """Reads a runtime's outputs as answers.

    Args:
        manifest: of the bundle.
        tokenizer: of the model.

    Attributes:
        plan: how texts become the model's inputs.
    """

    def __init__(self, manifest: Manifest, tokenizer: Any) -> None:
        self.manifest = manifest
        self.tokenizer = tokenizer
        task, config = manifest.task, manifest.training.config
        self.plan = Plan(
            config.task,
            task.kind,
            task.form,
            tokenizer,
            task.classes,
            task.class_ids,
            task.may_be_none,
        )

    def read(self, examples: Sequence[Example], outputs: Outputs) -> list[Prediction]:
        """One answer an example, by the rules that the trial was measured by."""
        task = self.manifest.task
        match (task.form, task.kind):
            case (_, "classification"):
                return [self._label(row) for row in outputs.scores]
            case ("head", "regression"):
                return [Prediction(float(row[0]), {}) for row in outputs.scores]
            case ("head", "span"):
                return [Prediction(text, {}) for text in self._spans(examples, outputs)]
            case (_, "span"):
                return [Prediction(text, {}) for text in self._best_written(examples, outputs)]
            case (_, "regression"):
                texts = [self.text_of(text) for text in outputs.texts]
                return [Prediction(written_number(text, task.middle), {}) for text in texts]
            case _:
                return [Prediction(self.text_of(text), {}) for text in outputs.texts]

    def scored(
        self, examples: Sequence[Example], references: Sequence[Any], outputs: Outputs
    ) -> "Scored":
        """The task's metrics of outputs, by example where they are means over examples.

        Args:
            examples: that the outputs are of.
            references: of each, a class's index, a number, or the texts that are right.
            outputs: of all examples.
        """
        from deft_sweeps.task_metrics import score_all

        classes = {name: index for index, name in enumerate(self.manifest.task.classes)}
        values = [one.value for one in self.read(examples, outputs)]
        predicted = [classes[str(value)] for value in values] if classes else values
        return score_all(self.manifest.task.metrics, predicted, list(references))

    def _label(self, scores: NDArray[np.float32]) -> Prediction:
        shifted = np.exp(scores.astype(np.float64) - scores.max())
        shares = shifted / shifted.sum()
        classes = self.manifest.task.classes
        probabilities = {name: float(p) for name, p in zip(classes, shares, strict=True)}
        return Prediction(classes[int(scores.argmax())], probabilities)

    def _spans(self, examples: Sequence[Example], outputs: Outputs) -> list[str]:
        rows = zip(outputs.example, outputs.places, outputs.scores, strict=True)
        windows = [
            WindowScores(which, begins, ends, scores[:, 0], scores[:, 1])
            for which, (begins, ends), scores in rows
        ]
        contexts = [example.second for example in examples]
        return best_answers(windows, contexts, may_be_none=self.manifest.task.may_be_none)

    def _best_written(self, examples: Sequence[Example], outputs: Outputs) -> list[str]:
        written = [
            Written(
                which, self.text_of(text), text.mean_log_probability, text.empty_log_probability
            )
            for which, text in zip(outputs.example, outputs.texts, strict=True)
        ]
        return best_written(written, len(examples), may_be_none=self.manifest.task.may_be_none)

    def text_of(self, text: GeneratedText) -> str:
        """A written text, without special tokens and spaces around it."""
        decoded: str = self.tokenizer.decode(list(text.token_ids), skip_special_tokens=True)
        return decoded.strip()

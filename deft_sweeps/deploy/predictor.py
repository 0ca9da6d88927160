"""From texts to answers, on whichever runtime: tokenised, batched and read as the trial was."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.deploy.answer_decoder import AnswerDecoder, Outputs
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.prediction import Prediction
from deft_sweeps.deploy.runtime import GeneratedText, ModelInputs, Runtime
from deft_sweeps.deploy.text_input import as_examples
from deft_sweeps.errors import DataError
from deft_sweeps.result import Score
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.prepare import input_columns

BATCH_SIZE = 32


class Predictor:
    """A deployed model that answers texts.

    Args:
        manifest: of its bundle.
        runtime: that computes it.
        tokenizer: of the model.
    """

    def __init__(self, manifest: Manifest, runtime: Runtime, tokenizer: Any) -> None:
        self.manifest = manifest
        self.runtime = runtime
        self.tokenizer = tokenizer
        self.decoder = AnswerDecoder(manifest, tokenizer)

    def predict(self, inputs: Sequence[Any], batch_size: int = BATCH_SIZE) -> list[Prediction]:
        """An answer for each input, in order.

        Args:
            inputs: texts; of a task on two texts, pairs of them: (text, text_pair), or (question,
                context). Mappings with these keys will do.
            batch_size: inputs that are computed at a time.

        Raises:
            DataError: lists the inputs that are something else.
        """
        examples = as_examples(self.manifest.task, inputs)
        return self.decoder.read(examples, self.outputs(examples, batch_size))

    def generate(self, inputs: Sequence[Any], batch_size: int = BATCH_SIZE) -> list[str]:
        """The text that the model writes after each input.

        Raises:
            DataError: as `predict`.
            ValueError: the model answers through a head.
        """
        examples = as_examples(self.manifest.task, inputs)
        written = self._written(examples, batch_size) if examples else Outputs(())
        texts = [""] * len(examples)
        for which, text in zip(written.example, written.texts, strict=True):
            texts[which] = texts[which] or self.decoder.text_of(text)
        return texts

    def score(
        self, inputs: Sequence[Any], labels: Sequence[Any], batch_size: int = BATCH_SIZE
    ) -> Score:
        """The task's own metric over labelled inputs.

        Args:
            inputs: as for `predict`, one at least.
            labels: names of classes, numbers, texts, or lists of texts that are all right.
            batch_size: as for `predict`.

        Raises:
            DataError: the labels are not of this task, or not as many as the inputs.
        """
        if len(inputs) != len(labels) or not labels:
            raise DataError(
                f"expected as many labels as inputs, and one at least; got {len(labels)} labels"
                f" for {len(inputs)} inputs"
            )
        references = [self._reference(place, label) for place, label in enumerate(labels)]
        examples = as_examples(self.manifest.task, inputs)
        return self.decoder.scored(examples, references, self.outputs(examples, batch_size)).score

    def outputs(self, examples: Sequence[Example], batch_size: int = BATCH_SIZE) -> Outputs:
        """What the runtime computes for the examples, before it is read as answers."""
        if not examples:
            return Outputs(())
        task = self.manifest.task
        if task.form == "text-to-text" and task.kind != "classification":
            return self._written(examples, batch_size)
        made = input_columns(self.decoder.plan, examples)
        scores: dict[int, NDArray[np.float32]] = {}
        for places, inputs in _batches(made, batch_size, self.tokenizer.pad_token_id):
            if task.form == "head":
                computed = self.runtime.head_outputs(inputs)
            else:
                computed = self.runtime.class_log_probabilities(inputs, task.class_ids)
            scores |= dict(zip(places, computed, strict=True))
        in_order = tuple(scores[row] for row in range(len(scores)))
        in_context = tuple(zip(made.get("begins", ()), made.get("ends", ()), strict=True))
        return Outputs(_examples(made), in_order, places=in_context)

    def _written(self, examples: Sequence[Example], batch_size: int) -> Outputs:
        made = input_columns(self.decoder.plan, examples)
        texts: dict[int, GeneratedText] = {}
        n_new = self.manifest.task.max_new_tokens
        for places, inputs in _batches(made, batch_size, self.tokenizer.pad_token_id):
            written = self.runtime.generate(inputs, max_new_tokens=n_new)
            texts |= dict(zip(places, written, strict=True))
        return Outputs(_examples(made), texts=tuple(texts[row] for row in range(len(texts))))

    def _reference(self, place: int, label: object) -> Any:
        task = self.manifest.task
        if task.kind == "classification":
            if label not in task.classes:
                raise DataError(
                    f"label {place}: expected one of {', '.join(task.classes)}, got {label!r}"
                )
            return task.classes.index(str(label))
        if task.kind == "regression":
            if isinstance(label, bool) or not isinstance(label, int | float):
                raise DataError(f"label {place}: expected a number, got {label!r}")
            return float(label)
        texts = [label] if isinstance(label, str) else label
        if not isinstance(texts, list | tuple) or not all(isinstance(t, str) for t in texts):
            raise DataError(f"label {place}: expected a text or a list of texts, got {label!r}")
        return list(texts)


def _examples(made: dict[str, list[Any]]) -> tuple[int, ...]:
    return tuple(made.get("example", range(len(made["input_ids"]))))


def _batches(
    made: dict[str, list[Any]], batch_size: int, pad_id: int
) -> Iterator[tuple[list[int], ModelInputs]]:
    """Rows of similar length, padded, with their places."""
    if batch_size < 1:
        raise ValueError(f"expected a batch_size of at least 1, got {batch_size}")
    ids = made["input_ids"]
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        segments = made.get("token_type_ids")
        yield (
            places,
            ModelInputs(
                _padded([ids[row] for row in places], pad_id),
                _padded([[1] * len(ids[row]) for row in places], 0),
                None if segments is None else _padded([segments[row] for row in places], 0),
            ),
        )


def _padded(rows: Sequence[Sequence[int]], value: int) -> NDArray[np.int64]:
    table = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table

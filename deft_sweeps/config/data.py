"""Which examples a trial trains on and is measured on."""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes import check

TaskKind = Literal["classification", "regression", "span", "text"]
"""What the metric compares: a class, a number, an answer found in a context, or free text."""

Form = Literal["text-to-text", "head"]
"""How a model answers: T5 writes text; BERT and RoBERTa have a head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Sizes of the three disjoint splits; None takes all there are, or a fifth for a split that is cut off the training file.

    Attributes:
        train: examples to train and calibrate on.
        validation: examples that search, stopping, thresholds and choice see.
        test: examples that only the final measurement sees.
        seed: of the shuffle that draws them (never the trial's seed: every trial sees the same splits).
    """

    train: int | None = None
    validation: int | None = 600
    test: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, size in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            check(size is None or size >= 1, f"{name} >= 1 or null", size)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedTask:
    """A labelled data set that comes with a Python package, so that no hub is needed.

    Attributes:
        name: `rotten-tomatoes`: 12,808 movie review snippets, fresh or rotten, split by movie.
        max_input_tokens: longer inputs are cut, >= 4.
    """

    kind: Literal["packaged"] = "packaged"
    name: Literal["rotten-tomatoes"] = "rotten-tomatoes"
    max_input_tokens: int = 48
    splits: Splits = Splits()

    def __post_init__(self) -> None:
        check(self.max_input_tokens >= 4, "max_input_tokens >= 4", self.max_input_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTask:
    """The user's own labelled classification data: csv, tsv, jsonl or parquet, told apart by its ending.

    Attributes:
        path: the training file; validation and test are cut off it where no file of their own is given.
        text: column with the text.
        label: column with the label; each distinct value is a class, written out as the target text.
        validation_path: None cuts `splits.validation` examples off `path`, or a fifth of it where that is null.
        test_path: None cuts `splits.test` examples off `path`, or a fifth of it where that is null.
        group: column whose values are never shared between splits (a customer, a movie); None splits by row.
        template: the input text, with `{text}` where the text goes.
        max_input_tokens: longer inputs are cut, >= 4.
    """

    kind: Literal["files"] = "files"
    path: str
    text: str = "text"
    label: str = "label"
    validation_path: str | None = None
    test_path: str | None = None
    group: str | None = None
    template: str = "{text}"
    max_input_tokens: int = 128
    splits: Splits = Splits()

    def __post_init__(self) -> None:
        check("{text}" in self.template, "a template that contains {text}", self.template)
        check(self.max_input_tokens >= 4, "max_input_tokens >= 4", self.max_input_tokens)


Task = PackagedTask | FileTask

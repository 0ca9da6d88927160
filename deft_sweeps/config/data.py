"""Which examples a trial trains on and is measured on."""

import codecs
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from deft_sweeps.config.axes import check, check_path, check_revision

TaskKind = Literal["classification", "regression", "span", "text"]
"""What the metric compares: a class, a number, an answer found in a context, or free text."""

Form = Literal["text-to-text", "head"]
"""How a model answers: it writes text, or a head reads its hidden states."""


# These rewrite ASCII, so that a text with a backslash or a plus would be another one.
_NOT_OF_FILES = ("unicode-escape", "raw-unicode-escape", "utf-7", "punycode", "idna", "undefined")


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Sizes of the disjoint splits; None takes all there are, or a fifth for a split that is cut
    off the training file.

    Attributes:
        train: examples to train and calibrate on.
        validation: examples that search, stopping and thresholds see.
        test: examples that only the final measurement sees.
        selection: examples that only the certificate of the choice sees, cut off the training
            file, at most a quarter of it. With 0 the choice is made on validation examples, and
            nothing is certified.
        seed: of the shuffle that draws them (never the trial's seed: every trial sees the same
            splits).
    """

    train: int | None = None
    validation: int | None = 600
    test: int | None = None
    seed: int = 0
    selection: int = 0

    def __post_init__(self) -> None:
        for name, size in (
            ("train", self.train),
            ("validation", self.validation),
            ("test", self.test),
        ):
            check(size is None or size >= 1, f"{name} >= 1 or null", size)
        check(self.selection >= 0, "selection >= 0", self.selection)


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


GlueName = Literal["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "mnli-mismatched", "qnli", "rte"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueTask:
    """A task of GLUE with its official metrics.

    GLUE keeps the labels of its test sets to itself, so the test split here is its validation set,
    and validation is cut off its training set: of SST-2 whole sentences, whose phrases training
    then does without; of pairs, first texts that training has not.

    Attributes:
        name: the two of MNLI differ in their test split, GLUE's matched or mismatched validation
            set.
        folder: with the files as GLUE ships them or as the hub has them (tsv, tsv.gz, jsonl or
            parquet, of the task, or of all in a folder each); null fetches nyu-mll/glue from the
            hub.
        max_input_tokens: longer inputs are cut, >= 4.
    """

    kind: Literal["glue"] = "glue"
    name: GlueName
    folder: str | None = None
    max_input_tokens: int = 128
    splits: Splits = Splits()

    def __post_init__(self) -> None:
        check_path("folder", self.folder)
        check(self.max_input_tokens >= 4, "max_input_tokens >= 4", self.max_input_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class SquadTask:
    """SQuAD: the answer to a question, found in a paragraph; in version 2.0 there may be none.

    The test split is its development set; validation is cut off its training set, by paragraph.

    Attributes:
        version: in quotes in a file.
        folder: with the official train-v*.json and dev-v*.json, or with the hub's files; null
            fetches rajpurkar/squad from the hub.
        max_input_tokens: of question and context together, >= 32; a context that is longer is read
            in windows of this.
        doc_stride: tokens of the context that two windows next to each other share.
        max_target_tokens: of the answer that T5 learns to write; longer ones are cut there.
    """

    kind: Literal["squad"] = "squad"
    version: Literal["1.1", "2.0"] = "1.1"
    folder: str | None = None
    max_input_tokens: int = 384
    doc_stride: int = 128
    max_target_tokens: int = 30
    splits: Splits = Splits()

    def __post_init__(self) -> None:
        check_path("folder", self.folder)
        check(self.max_input_tokens >= 32, "max_input_tokens >= 32", self.max_input_tokens)
        check(
            0 <= self.doc_stride < self.max_input_tokens / 2,
            "0 <= doc_stride < max_input_tokens / 2",
            self.doc_stride,
        )
        check(self.max_target_tokens >= 2, "max_target_tokens >= 2", self.max_target_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTask:
    """The user's own data, from files (csv, tsv, jsonl, json or parquet by their ending, also
    gzipped) or from the hub.

    Attributes:
        path: the training file, or a folder of Parquet files; validation and test are cut off it
            where no file of their own is given.
        encoding: of the text files, as Python names it: utf-16-le, latin-1, cp1252; null is UTF-8,
            or what their byte order mark says.
        hub: name of a data set on the hub, instead of `path`.
        hub_config: which of the hub data set's configurations, where it has several.
        hub_revision: commit, tag or branch of the hub data set; null is the newest that there is.
        hub_train: the hub data set's split to train on, and to cut off it what has no split of its
            own.
        hub_validation: the hub data set's split that validation is drawn from.
        hub_test: the hub data set's split that test is drawn from.
        task: `classification` of a text, or with `text_pair` of two; `regression`, the same with a
            number as the label; `qa`, the answer to a question, found in a context; `text`, free
            text to write.
        metric: name of the metric that becomes the score, the task's own beside it; null takes the
            task's own: accuracy, Pearson's correlation, exact match, or the F1 of the words of a
            text.
        text: column with the text.
        text_pair: column with a second text that goes with the first.
        label: column with the label: each distinct value is a class, written out as the target
            text; a number for regression. Null and NaN are missing, and refused.
        question: column with the question, for `qa`.
        context: column with the context, for `qa`.
        answers: column with the right answers, for `qa`: a text, a list of texts, or SQuAD's `text`
            and `answer_start` in any of its shapes, printed ones too; empty for no answer.
        target: column with the text to write, for `text`.
        validation_path: None cuts `splits.validation` examples off `path`, or a fifth of it where
            that is null.
        test_path: None cuts `splits.test` examples off `path`, or a fifth of it where that is null.
        group: column whose values are never shared between splits (a customer, a movie); None
            splits by row.
        template: the input of a model that writes, with `{text}` where the text goes, and
            `{text_pair}` where a second one goes; a head reads the texts as they are.
        max_input_tokens: longer inputs are cut, >= 4; the context of a question is read in windows
            of this.
        doc_stride: tokens of the context that two windows next to each other share; null is a third
            of max_input_tokens.
        max_target_tokens: of an answer or a text to write; longer ones are cut there.
    """

    kind: Literal["files"] = "files"
    path: str | None = None
    encoding: str | None = None
    hub: str | None = None
    hub_config: str | None = None
    hub_revision: str | None = None
    hub_train: str = "train"
    hub_validation: str | None = None
    hub_test: str | None = None
    task: Literal["classification", "regression", "qa", "text"] = "classification"
    metric: str | None = None
    text: str = "text"
    text_pair: str | None = None
    label: str = "label"
    question: str = "question"
    context: str = "context"
    answers: str = "answers"
    target: str = "target"
    validation_path: str | None = None
    test_path: str | None = None
    group: str | None = None
    template: str = "{text}"
    max_input_tokens: int = 128
    doc_stride: int | None = None
    max_target_tokens: int = 64
    splits: Splits = Splits()

    def __post_init__(self) -> None:
        for name in ("path", "hub", "validation_path", "test_path"):
            check_path(name, getattr(self, name))
        check(
            (self.path is None) != (self.hub is None),
            "either path or hub",
            "neither" if self.path is None else "both",
        )
        of_files = (self.validation_path, self.test_path)
        check(
            self.hub is None or of_files == (None, None),
            "hub_validation and hub_test beside hub, no files",
            of_files,
        )
        check_revision("hub_revision", self.hub_revision)
        of_hub = (self.hub_config, self.hub_revision, self.hub_validation, self.hub_test)
        check(
            self.path is None or not any(of_hub),
            "no settings of the hub beside path",
            of_hub,
        )
        check(
            self.encoding is None or (self.path is not None and is_text_encoding(self.encoding)),
            "an encoding that Python reads text in (utf-8, utf-16, latin-1, cp1252), beside path",
            self.encoding,
        )
        check("{text}" in self.template, "a template that contains {text}", self.template)
        paired = self.text_pair is not None
        check(
            self.template == "{text}" or paired == ("{text_pair}" in self.template),
            "a template that contains {text_pair} if and only if text_pair is set",
            self.template,
        )
        least = 32 if self.task == "qa" else 4
        check(self.max_input_tokens >= least, f"max_input_tokens >= {least}", self.max_input_tokens)
        stride = self.doc_stride or 0
        check(
            0 <= stride < self.max_input_tokens / 2,
            "0 <= doc_stride < max_input_tokens / 2",
            self.doc_stride,
        )
        check(self.max_target_tokens >= 2, "max_target_tokens >= 2", self.max_target_tokens)

    @property
    def source(self) -> str:
        """The training file, or the hub data set's name."""
        return self.path or self.hub or ""


def is_text_encoding(name: str) -> bool:
    """Whether Python knows an encoding of text files by this name."""
    try:
        "a".encode(name)
        return codecs.lookup(name).name not in _NOT_OF_FILES
    except (LookupError, UnicodeError, ValueError):
        return False


Task = PackagedTask | FileTask | GlueTask | SquadTask


def local_path(path: str) -> Path:
    """The path with the user's home in the place of `~`; an unknown user's `~name` stays."""
    return Path(os.path.expanduser(path))


def task_kind(task: Task) -> TaskKind:
    """What the task's metric compares."""
    match task:
        case PackagedTask():
            return "classification"
        case GlueTask(name=name):
            return "regression" if name == "stsb" else "classification"
        case SquadTask():
            return "span"
        case FileTask():
            return "span" if task.task == "qa" else task.task
        case unknown:
            assert_never(unknown)


def task_name(task: Task) -> str:
    """The data set in a word or two: `glue/sst2`, a file's path."""
    match task:
        case PackagedTask(name=name):
            return name
        case GlueTask(name=name):
            return f"glue/{name}"
        case SquadTask(version=version):
            return f"squad {version}"
        case FileTask():
            return task.source

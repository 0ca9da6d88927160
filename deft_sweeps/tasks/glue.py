"""GLUE's tasks: their columns, classes, metrics and T5's prompts, and its files in every layout
they come in. Loads no torch.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deft_sweeps.config.data import GlueName
from deft_sweeps.errors import DataError
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.rows import ENDINGS, columns_of, ending, raw_rows, read_rows
from deft_sweeps.tasks.value import NotTextError, as_label, as_number, as_text, refuse_rows

HUB = "nyu-mll/glue"

MAX_BROKEN = 0.001
"""Share of lines that may lack a field: a few of QQP's do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueSet:
    """One data set of GLUE.

    Attributes:
        hub: name of its configuration on the hub, and of its folder there.
        folder: name of its folder in GLUE's own archive.
        texts: columns with the text, or the two texts.
        labels: names that the column with the label has, in one layout or another.
        classes: by index, named as T5 learned to write them; empty for a number.
        prompt: T5's (Raffel et al. 2020, appendix D).
        train, test: how the files of GLUE's training set, and of the validation set that is our
            test split, are named.
        metrics: GLUE's own, the first one the objective.
    """

    hub: str
    folder: str
    texts: tuple[str, ...]
    labels: tuple[str, ...] = ("label",)
    classes: tuple[str, ...]
    prompt: str
    train: str = "train"
    test: tuple[str, ...] = ("validation", "dev")
    metrics: tuple[str, ...] = ("accuracy",)


def _one(
    hub: str,
    folder: str,
    text: str,
    classes: tuple[str, ...],
    metrics: tuple[str, ...] = ("accuracy",),
) -> GlueSet:
    return GlueSet(
        hub=hub,
        folder=folder,
        texts=(text,),
        classes=classes,
        prompt=f"{hub} {text}: {{text}}",
        metrics=metrics,
    )


def _mnli(*test: str) -> GlueSet:
    return GlueSet(
        hub="mnli",
        folder="MNLI",
        texts=("premise", "hypothesis"),
        labels=("label", "gold_label"),
        classes=("entailment", "neutral", "contradiction"),
        prompt="mnli hypothesis: {text_pair} premise: {text}",
        test=test,
    )


_ENTAILMENT = ("entailment", "not_entailment")
_SENTENCES = ("sentence1", "sentence2")

GLUE: Mapping[GlueName, GlueSet] = {
    "cola": _one("cola", "CoLA", "sentence", ("unacceptable", "acceptable"), ("matthews",)),
    "sst2": _one("sst2", "SST-2", "sentence", ("negative", "positive")),
    "mrpc": GlueSet(
        hub="mrpc",
        folder="MRPC",
        texts=_SENTENCES,
        labels=("label", "Quality"),
        classes=("not_equivalent", "equivalent"),
        prompt="mrpc sentence1: {text} sentence2: {text_pair}",
        metrics=("accuracy", "f1"),
    ),
    "stsb": GlueSet(
        hub="stsb",
        folder="STS-B",
        texts=_SENTENCES,
        labels=("label", "score"),
        classes=(),
        prompt="stsb sentence1: {text} sentence2: {text_pair}",
        metrics=("pearson", "spearman"),
    ),
    "qqp": GlueSet(
        hub="qqp",
        folder="QQP",
        texts=("question1", "question2"),
        labels=("label", "is_duplicate"),
        classes=("not_duplicate", "duplicate"),
        prompt="qqp question1: {text} question2: {text_pair}",
        metrics=("accuracy", "f1"),
    ),
    "mnli": _mnli("validation_matched", "dev_matched"),
    "mnli-mismatched": _mnli("validation_mismatched", "dev_mismatched"),
    "qnli": GlueSet(
        hub="qnli",
        folder="QNLI",
        texts=("question", "sentence"),
        classes=_ENTAILMENT,
        prompt="qnli question: {text} sentence: {text_pair}",
    ),
    "rte": GlueSet(
        hub="rte",
        folder="RTE",
        texts=_SENTENCES,
        classes=_ENTAILMENT,
        prompt="rte sentence1: {text} sentence2: {text_pair}",
    ),
}

# What GLUE's own archive calls a column that the hub calls otherwise.
_ALIASES = {
    "premise": ("sentence1",),
    "hypothesis": ("sentence2",),
    "sentence1": ("#1 String",),
    "sentence2": ("#2 String",),
}
_COLA_COLUMNS = ["source", "label", "star", "sentence"]


def glue_files(name: GlueName, folder: Path) -> dict[str, list[Path]]:
    """The files of `train` and `test`, each a list, since the hub cuts large ones.

    Raises:
        DataError: with a line for each that is not there.
    """
    of = GLUE[name]
    files_by_split, missing = {}, []
    for split, stems in (("train", (of.train,)), ("test", of.test)):
        files = find_files(folder, (of.hub, of.folder), stems)
        if files:
            files_by_split[split] = files
        else:
            missing.append(
                f"{folder}: no {' or '.join(stems)} ({', '.join(ENDINGS)}), neither there nor in"
                f" {of.hub} or {of.folder}"
            )
    if missing:
        raise DataError("\n".join(missing))
    return files_by_split


def find_files(folder: Path, subfolders: tuple[str, ...], stems: tuple[str, ...]) -> list[Path]:
    """Files named by one of some stems, in the folder or one of its subfolders; the first place and
    stem that has one.
    """
    for place in (folder, *(folder / sub for sub in subfolders)):
        for stem in stems:
            whole = [
                path
                for end in ENDINGS
                for path in (place / f"{stem}{end}", place / f"{stem}{end}.gz")
                if path.is_file()
            ]
            shards = sorted(place.glob(f"{stem}-*.parquet")) or sorted(
                (place / stem).glob("*.parquet")
            )
            if whole or shards:
                return whole[:1] or shards
    return []


def read_glue(name: GlueName, paths: list[Path]) -> list[Example]:
    """The examples of one split.

    Raises:
        DataError: a file cannot be read, or is not the task's.
    """
    of = GLUE[name]
    return [
        example for path in paths for example in glue_examples(of, str(path), _values(of, path))
    ]


def glue_examples(
    of: GlueSet, where: str, rows: Iterable[tuple[int, list[Any] | None]]
) -> list[Example]:
    """The examples of some rows, without the few that lack a text or a label.

    Args:
        of: the data set.
        where: the rows' file or hub data set, for messages.
        rows: numbers from 1, with texts and label; None where a line lacks a field.

    Raises:
        DataError: a value is no text, a label is none of the task's, or too many rows lack
            something.
    """
    examples: list[Example] = []
    wrong: dict[int, str] = {}
    n_rows = 0
    for number, values in rows:
        n_rows += 1
        try:
            example = None if values is None else _example(of, values)
        except NotTextError as error:
            wrong[number] = f"{error}, where a text or a number is expected"
            continue
        except ValueError as error:
            raise DataError(
                f"{where}: row {number} has the label {values[-1] if values else ''!r}, which is"
                f" none of {of.hub}'s"
            ) from error
        if example is not None:
            examples.append(example)
    refuse_rows(where, wrong, n_rows)
    n_broken = n_rows - len(examples)
    if n_broken > max(1, MAX_BROKEN * n_rows):
        raise DataError(
            f"{where}: {n_broken} of {n_rows} rows lack a text or a label; is it the {of.hub} of"
            " GLUE?"
        )
    return examples


def _example(of: GlueSet, values: list[Any]) -> Example | None:
    """An example from its texts and its label; None where one of them is missing.

    Raises:
        NotTextError: a value is no text.
        ValueError: the label is none of the task's.
    """
    texts = [as_text(value).strip() for value in values[:-1]]
    label = (as_label if of.classes else as_text)(values[-1]).strip()
    if not all(texts) or not label or label == "-":
        return None
    if not of.classes:
        if as_number(label) is None:
            raise ValueError("expected a finite number")
    elif label not in of.classes:
        label = of.classes[_index(label, len(of.classes))]
    return Example(texts[0], label, texts[0], texts[1] if len(texts) > 1 else "")


def _index(label: str, n_classes: int) -> int:
    number = as_number(label)
    index = -1 if number is None or not number.is_integer() else int(number)
    if not 0 <= index < n_classes:
        raise ValueError(f"expected a label in [0, {n_classes})")
    return index


def _values(of: GlueSet, path: Path) -> Iterator[tuple[int, list[Any] | None]]:
    """Row numbers from 1, with texts and label."""
    if ending(path) != ".tsv":
        names = _columns(of, path, columns_of(path))
        yield from enumerate(read_rows(path, names), 1)
        return
    lines = raw_rows(path)
    header = next(lines, [])
    if of.hub == "cola" and "sentence" not in header and len(header) == len(_COLA_COLUMNS):
        # CoLA alone comes without a header: the line read is an example.
        first, header = [header], _COLA_COLUMNS
    else:
        first = []
    places = [header.index(name) for name in _columns(of, path, header)]
    for number, line in enumerate((*first, *lines), 1):
        yield number, [line[place] for place in places] if len(line) > max(places) else None


def _columns(of: GlueSet, path: Path, present: list[str]) -> list[str]:
    wanted = [(text, *_ALIASES.get(text, ())) for text in of.texts] + [of.labels]
    chosen = [next((name for name in names if name in present), None) for names in wanted]
    missing = [
        " or ".join(names) for names, name in zip(wanted, chosen, strict=True) if name is None
    ]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; there are {', '.join(present) or 'none'}"
        )
    return [name for name in chosen if name is not None]

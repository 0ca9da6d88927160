"""The user's own data: rows of a file or of a hub data set to examples, and what is wrong with them. Loads no torch."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from deft_sweeps.config.data import FileTask, Form
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.rows import as_text, read_rows

MAX_CLASSES = 200
"""More distinct labels than this look like a column of texts or numbers, not of classes."""

FEW_CLASSES = 20
"""Up to this many, a file may have fewer than two rows a class."""


def read_file(path: Path, task: FileTask) -> list[Example]:
    """Every row of a file as an example; what a row lacks is empty.

    Raises:
        DataError: there is no such file, it cannot be read, or it lacks a column.
    """
    return [example(row, task) for row in read_rows(path, columns(task))]


def columns(task: FileTask) -> list[str]:
    """Those that the task reads, in the order that `example` takes them in; the group's comes last."""
    match task.task:
        case "classification" | "regression":
            named = [task.text, task.label] + ([task.text_pair] if task.text_pair is not None else [])
        case "qa":
            named = [task.question, task.context, task.answers]
        case "text":
            named = [task.text, task.target]
    return named + ([task.group] if task.group is not None else [])


def example(row: Sequence[Any], task: FileTask) -> Example:
    """One row of `columns` as an example."""
    first = as_text(row[0])
    match task.task:
        case "classification" | "regression":
            second = as_text(row[2]) if task.text_pair is not None else ""
            made = Example(first, as_text(row[1]).strip(), first, second)
        case "qa":
            context = as_text(row[1])
            answers, starts = _answers(row[2], context)
            made = Example(first, "", context, context, answers, starts)
        case "text":
            target = as_text(row[1]).strip()
            made = Example(first, "", first, answers=(target,) if target else ())
    if task.group is None:
        return made
    return Example(made.text, made.label, as_text(row[-1]), made.second, made.answers, made.starts)


def check_rows(rows: Sequence[Example], task: FileTask, form: Form | None) -> list[str]:
    """What is wrong with one file's rows, each problem once with the rows that have it."""
    if not rows:
        return ["has no rows"]
    match task.task:
        case "classification" | "regression":
            faults = [_empty(task.text, [r.text for r in rows]), _empty(task.label, [r.label for r in rows])]
            if task.text_pair is not None:
                faults.append(_empty(task.text_pair, [r.second for r in rows]))
            if task.task == "regression":
                flags = [bool(r.label) and not _is_number(r.label) for r in rows]
                faults.append((f"a {task.label} that is no number", flags))
        case "qa":
            faults = [_empty(task.question, [r.text for r in rows]), _empty(task.context, [r.second for r in rows])]
            if form == "head":
                # A head can but point at an answer; T5 may write what the context does not say word by word.
                lost = [-1 in r.starts for r in rows]
                faults.append((f"{task.answers} that do not occur in the {task.context}", lost))
        case "text":
            faults = [_empty(task.text, [r.text for r in rows]), (f"an empty {task.target}", [not r.answers for r in rows])]
    if task.group is not None:
        faults.append(_empty(task.group, [r.group for r in rows]))
    return [
        f"{sum(flags)} of {len(rows)} rows have {what}: row {some(i for i, flag in enumerate(flags, 1) if flag)}"
        for what, flags in faults
        if any(flags)
    ]


def check_labels(rows: Sequence[Example], task: FileTask) -> list[str]:
    """What is wrong with the training file's labels as a whole."""
    found = Counter(row.label for row in rows if row.label)
    if task.task == "classification":
        if len(found) == 1:
            return [f"{task.source}: column {task.label} has one class only, {next(iter(found))!r}; expected two or more"]
        if len(found) > MAX_CLASSES or len(found) > max(FEW_CLASSES, len(rows) / 2):
            shown = some(repr(label[:40]) for label, _ in found.most_common())
            told = f"{task.source}: column {task.label} has {len(found)} distinct values in {len(rows)} rows ({shown}); are they labels?"
            return [told]
    if task.task == "regression" and len({float(label) for label in found if _is_number(label)}) == 1:
        return [f"{task.source}: column {task.label} has one number only, {next(iter(found))}; expected two or more"]
    return []


def some(values: Iterable[object]) -> str:
    """The first few of some values, for a message."""
    listed = [str(value) for value in values]
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")


def place(answer: str, context: str, start: int = -1) -> int:
    """Where the answer stands in the context: at `start` if it is there, else where it occurs first; -1 where it does not."""
    return start if start >= 0 and context.startswith(answer, start) else context.find(answer)


def _answers(value: Any, context: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The texts of a cell that holds a text, a list of texts, or SQuAD's mapping of `text` and `answer_start`."""
    starts: list[int] = []
    if isinstance(value, dict):
        starts = [int(start) for start in value.get("answer_start") or ()]
        value = value.get("text")
    texts = list(value) if isinstance(value, list | tuple) else [as_text(value)]
    starts = starts if len(starts) == len(texts) else [-1] * len(texts)
    kept = [(as_text(text), start) for text, start in zip(texts, starts, strict=True) if as_text(text).strip()]
    return tuple(text for text, _ in kept), tuple(place(text, context, start) for text, start in kept)


def _empty(column: str, values: list[str]) -> tuple[str, list[bool]]:
    return f"an empty {column}", [not value.strip() for value in values]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False

"""The user's own data: rows of a file or of a hub data set to examples, and what is wrong with
them. Loads no torch.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from deft_sweeps.config.data import FileTask, Form
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.rows import read_rows
from deft_sweeps.tasks.value import NotText, NotTextError, as_answers, as_label, as_text, is_printed

MAX_SINGLE_SHARE = 0.5
"""Share of the rows whose label no other row may have: of classes most come back, however many
there are, and of texts or measurements hardly any."""


def read_file(path: Path, task: FileTask) -> list[Example]:
    """Every row of a file as an example; what a row lacks is empty.

    Raises:
        DataError: there is no such file, it cannot be read, or it lacks a column.
    """
    return [example(row, task) for row in read_rows(path, columns(task))]


def columns(task: FileTask) -> list[str]:
    """Those that the task reads, in the order that `example` takes them in; the group's comes
    last.
    """
    match task.task:
        case "classification" | "regression":
            named = [task.text, task.label] + (
                [task.text_pair] if task.text_pair is not None else []
            )
        case "qa":
            named = [task.question, task.context, task.answers]
        case "text":
            named = [task.text, task.target]
    return named + ([task.group] if task.group is not None else [])


def example(row: Sequence[Any], task: FileTask) -> Example:
    """One row of `columns` as an example; `NotText` holds the place of what is no text, for
    `check_rows` to refuse.
    """
    first = _read(as_text, row[0])
    group = _read(as_text, row[-1]) if task.group is not None else None
    match task.task:
        case "classification" | "regression":
            second = _read(as_text, row[2]) if task.text_pair is not None else ""
            label = _read(as_label if task.task == "classification" else as_text, row[1])
            return Example(first, _stripped(label), first if group is None else group, second)
        case "qa":
            context = _read(as_text, row[1])
            try:
                answers, starts = answers_in(row[2], context)
            except NotTextError as error:
                answers, starts = (NotText(error),), (0,)
            return Example(first, "", context if group is None else group, context, answers, starts)
        case "text":
            target = _stripped(_read(as_text, row[1]))
            return Example(
                first, "", first if group is None else group, answers=(target,) if target else ()
            )


def check_rows(rows: Sequence[Example], task: FileTask, form: Form | None) -> list[str]:
    """What is wrong with one file's rows, each problem once with the rows that have it."""
    if not rows:
        return ["has no rows"]
    match task.task:
        case "classification" | "regression":
            faults = [
                *_faults(task.text, [r.text for r in rows]),
                *_faults(task.label, [r.label for r in rows]),
            ]
            if task.text_pair is not None:
                faults += _faults(task.text_pair, [r.second for r in rows])
            if task.task == "classification":
                faults.append((f"NaN in {task.label}", _nan_among_numbers([r.label for r in rows])))
            else:
                flags = [
                    bool(r.label) and not isinstance(r.label, NotText) and not _is_number(r.label)
                    for r in rows
                ]
                faults.append((f"a {task.label} that is no number", flags))
        case "qa":
            faults = [
                *_faults(task.question, [r.text for r in rows]),
                *_faults(task.context, [r.second for r in rows]),
            ]
            expected = (
                "a text, a list of texts, or SQuAD's mapping of `text` and `answer_start` is"
                " expected"
            )
            faults += _not_text(
                task.answers, [r.answers[0] if r.answers else "" for r in rows], expected
            )
            if form == "head":
                # A head can but point at an answer; T5 may write what the context does not say word
                # by word.
                lost = [-1 in r.starts for r in rows]
                faults.append((f"{task.answers} that do not occur in the {task.context}", lost))
        case "text":
            targets = [r.answers[0] if r.answers else "" for r in rows]
            faults = [*_faults(task.text, [r.text for r in rows]), *_faults(task.target, targets)]
    if task.group is not None:
        faults += _faults(task.group, [r.group for r in rows])
    return [
        f"{sum(flags)} of {len(rows)} rows have {what}: row"
        f" {some(i for i, flag in enumerate(flags, 1) if flag)}"
        for what, flags in faults
        if any(flags)
    ]


def check_labels(rows: Sequence[Example], task: FileTask) -> list[str]:
    """What is wrong with the training file's labels as a whole."""
    counts = Counter(row.label for row in rows if row.label and not isinstance(row.label, NotText))
    if task.task == "classification":
        if len(counts) == 1:
            return [
                f"{task.source}: column {task.label} has one class only, {next(iter(counts))!r};"
                " expected two or more; add rows of another class, or name another column as"
                " `label`"
            ]
        n_single = sum(n == 1 for n in counts.values())
        if n_single > MAX_SINGLE_SHARE * len(rows) and n_single > 2:
            shown = some(repr(label[:40]) for label, _ in counts.most_common())
            other = "regression" if all(map(_is_number, counts)) else "text"
            reasons = (
                f"{task.source}: column {task.label} has {len(counts)} distinct values in"
                f" {len(rows)} rows, {n_single} of them in one row only ({shown}); are they"
                " labels? Name the column of the classes as `label`, or write `task:"
                f" {other}` if these are to be predicted as they are"
            )
            return [reasons]
    if (
        task.task == "regression"
        and len({float(label) for label in counts if _is_number(label)}) == 1
    ):
        return [
            f"{task.source}: column {task.label} has one number only, {next(iter(counts))};"
            " expected two or more"
        ]
    return []


def some(values: Iterable[object]) -> str:
    """The first few of some values, for a message."""
    listed = [str(value) for value in values]
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")


def place(answer: str, context: str, start: int = -1) -> int:
    """Where the answer stands in the context: at `start` if it is there, else where it occurs
    first; -1 where it does not.
    """
    return start if start >= 0 and context.startswith(answer, start) else context.find(answer)


def answers_in(value: Any, context: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The answers of a cell, and where each stands in the context; blank ones are left out.

    Raises:
        NotTextError: the cell is of a shape that is not read, or holds such a shape printed as
            text.
    """
    texts, starts = as_answers(value)
    given = [(text, start) for text, start in zip(texts, starts, strict=True) if text.strip()]
    # Trained as it is, a model would learn to write brackets and quotes; a context may hold such
    # text itself.
    if any(is_printed(text) and text not in context for text, _ in given):
        raise NotTextError("a printed Python object")
    return tuple(text for text, _ in given), tuple(
        place(text, context, start) for text, start in given
    )


def _read(convert: Callable[[object], str], value: object) -> str:
    try:
        return convert(value)
    except NotTextError as error:
        return NotText(error)


def _stripped(text: str) -> str:
    return text if isinstance(text, NotText) else text.strip()


def _faults(column: str, values: Sequence[str]) -> list[tuple[str, list[bool]]]:
    """What is wrong with a column of texts, each with the rows that have it."""
    empty = (f"an empty {column}", [not value.strip() for value in values])
    return [*_not_text(column, values, "a text or a number is expected"), empty]


def _not_text(column: str, values: Sequence[str], expected: str) -> list[tuple[str, list[bool]]]:
    kinds = dict.fromkeys(value for value in values if isinstance(value, NotText))
    return [
        (
            f"{kind} in {column}, where {expected}{f'; {kind.remedy}' if kind.remedy else ''}",
            [isinstance(value, NotText) and value == kind for value in values],
        )
        for kind in kinds
    ]


def _nan_among_numbers(labels: Sequence[str]) -> list[bool]:
    """Which labels are NaN as a file without types holds it, if all others are numbers; where they
    are words, `nan` may be one as well.
    """
    given = [label for label in labels if label and not isinstance(label, NotText)]
    is_nan = [label.lower() == "nan" for label in labels]
    numbers = [label for label in given if label.lower() != "nan"]
    return is_nan if all(map(_is_number, numbers)) else [False] * len(labels)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False

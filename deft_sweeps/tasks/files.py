"""The user's own data: rows of a file or of a hub data set to examples, and what is wrong with
them. Loads no torch.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from deft_sweeps.config.data import FileTask, Form
from deft_sweeps.tasks.answers import answers_in
from deft_sweeps.tasks.examples import Example, Reading
from deft_sweeps.tasks.rows import open_rows
from deft_sweeps.tasks.value import (
    NotText,
    NotTextError,
    as_group,
    as_label,
    as_number,
    as_text,
    printed_kind,
    spelled_twice,
)

_Fault = tuple[str, str, list[bool]]
"""What is wrong, how to mend it, and the rows that have it."""

MAX_SINGLE_SHARE = 0.5
"""Share of the rows whose label no other row may have: of classes most come back, however many
there are, and of texts or measurements hardly any."""


def read_file(path: Path, task: FileTask) -> Reading:
    """Every row of a file as an example; what a row lacks is empty.

    Raises:
        DataError: there is no such file, it cannot be read, or it lacks a column.
    """
    file = open_rows(path, task.encoding)
    reading = read_examples(file.rows(columns(task)), task)
    return Reading(reading.examples, (*file.notes, *reading.notes))


def read_examples(rows: Iterable[Sequence[Any]], task: FileTask) -> Reading:
    """The rows of `columns` as examples."""
    n_moved = 0
    examples = []
    for row in rows:
        made, moved = _example(row, task)
        examples.append(made)
        n_moved += moved
    notes = []
    if task.task == "qa":
        n_without = sum(not one.answers for one in examples)
        n_elsewhere = sum(-1 in one.starts for one in examples)
        if n_without:
            notes.append(f"{n_without} of {len(examples)} questions have no answer")
        if n_elsewhere:
            notes.append(
                f"{n_elsewhere} of {len(examples)} questions have {task.answers} that do not occur"
                f" in the {task.context}"
            )
        if n_moved:
            notes.append(
                f"{n_moved} {task.answers} do not stand where answer_start says; the place nearest"
                " to it is taken"
            )
    return Reading(examples, tuple(notes))


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


def _example(row: Sequence[Any], task: FileTask) -> tuple[Example, int]:
    """One row of `columns` as an example, and how many of its answers do not stand where their
    start says. `NotText` holds the place of what is no text, for `check_rows` to refuse.
    """
    first = _read(as_text, row[0])
    group = _read(as_group, row[-1]) if task.group is not None else None
    match task.task:
        case "classification" | "regression":
            second = _read(as_text, row[2]) if task.text_pair is not None else ""
            label = _read(as_label if task.task == "classification" else as_text, row[1])
            return Example(first, _stripped(label), first if group is None else group, second), 0
        case "qa":
            context = _read(as_text, row[1])
            group = context if group is None else group
            try:
                answers = answers_in(row[2], context)
            except NotTextError as error:
                return Example(first, "", group, context, (NotText(error),), (0,)), 0
            made = Example(first, "", group, context, answers.texts, answers.starts)
            return made, answers.n_moved
        case "text":
            target = _stripped(_read(as_text, row[1]))
            targets = (target,) if target else ()
            return Example(first, "", first if group is None else group, answers=targets), 0


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
            labels = [r.label for r in rows]
            if task.task == "classification":
                faults.append(
                    (f"NaN in {task.label}", "name the class or leave them out", _nan(labels))
                )
            else:
                flags = [_is_given(label) and as_number(label) is None for label in labels]
                faults.append((f"a {task.label} that is no number", _number_hint(labels), flags))
        case "qa":
            faults = [
                *_faults(task.question, [r.text for r in rows]),
                *_faults(task.context, [r.second for r in rows]),
                *_answer_faults(rows, task, form),
            ]
        case "text":
            targets = [r.answers[0] if r.answers else "" for r in rows]
            faults = [*_faults(task.text, [r.text for r in rows]), *_faults(task.target, targets)]
    if task.group is not None:
        faults += _faults(task.group, [r.group for r in rows], may_be_printed=True)
    return [
        f"{sum(flags)} of {len(rows)} rows have {what}: row"
        f" {some(i for i, flag in enumerate(flags, 1) if flag)}{f'; {remedy}' if remedy else ''}"
        for what, remedy, flags in faults
        if any(flags)
    ]


def check_spelling(rows: Iterable[Example], task: FileTask) -> list[str]:
    """What is wrong with the classes of all files together."""
    labels = [row.label for row in rows if not isinstance(row.label, NotText)]
    twice = spelled_twice(labels) if task.task == "classification" else []
    if not twice:
        return []
    return [
        f"{task.source}: column {task.label} has one number written in several ways"
        f" ({some(map(repr, twice))}), which would be several classes; write each in one way"
    ]


def check_labels(rows: Sequence[Example], task: FileTask) -> list[str]:
    """What is wrong with the training file's labels as a whole."""
    counts = Counter(row.label for row in rows if row.label and not isinstance(row.label, NotText))
    if task.task == "classification":
        if len(counts) == 1 and not any(isinstance(row.label, NotText) for row in rows):
            return [
                f"{task.source}: column {task.label} has one class only, {next(iter(counts))!r};"
                " expected two or more; add rows of another class, or name another column as"
                " `label`"
            ]
        n_single = sum(n == 1 for n in counts.values())
        if n_single > MAX_SINGLE_SHARE * len(rows) and n_single > 2:
            shown = some(repr(label[:40]) for label, _ in counts.most_common())
            is_number = all(as_number(label) is not None for label in counts)
            other = "regression" if is_number else "text"
            reasons = (
                f"{task.source}: column {task.label} has {len(counts)} distinct values in"
                f" {len(rows)} rows, {n_single} of them in one row only ({shown}); are they"
                " labels? Name the column of the classes as `label`, or write `task:"
                f" {other}` if these are to be predicted as they are"
            )
            return [reasons]
    if task.task == "regression":
        numbers = {as_number(label) for label in counts} - {None}
        if len(numbers) == 1:
            return [
                f"{task.source}: column {task.label} has one number only, {next(iter(counts))};"
                " expected two or more"
            ]
    return []


def some(values: Iterable[object]) -> str:
    """The first few of some values, for a message."""
    listed = [str(value) for value in values]
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")


def _read(convert: Callable[[object], str], value: object) -> str:
    try:
        return convert(value)
    except NotTextError as error:
        return NotText(error)


def _stripped(text: str) -> str:
    return text if isinstance(text, NotText) else text.strip()


def _faults(column: str, values: Sequence[str], *, may_be_printed: bool = False) -> list[_Fault]:
    """What is wrong with a column of texts, each with the rows that have it."""
    expected = "a text or a number is expected"
    faults = _not_text(column, values, expected)
    texts = [value for value in values if not isinstance(value, NotText)]
    kind = "" if may_be_printed else printed_kind(texts)
    if kind:
        what = NotText(kind)
        flags = [bool(value.strip()) and not isinstance(value, NotText) for value in values]
        faults.append((f"{kind} in {column}, where {expected}", what.remedy, flags))
    remedy = "fill it in, or leave the rows out"
    return [*faults, (f"an empty {column}", remedy, [not value.strip() for value in values])]


def _not_text(column: str, values: Sequence[str], expected: str) -> list[_Fault]:
    kinds = dict.fromkeys(value for value in values if isinstance(value, NotText))
    return [
        (
            f"{kind} in {column}, where {expected}",
            kind.remedy,
            [isinstance(value, NotText) and value == kind for value in values],
        )
        for kind in kinds
    ]


def _answer_faults(rows: Sequence[Example], task: FileTask, form: Form | None) -> list[_Fault]:
    expected = (
        "a text, a list of texts, or SQuAD's `text` and `answer_start`, in one mapping or in a list"
        " of them, is expected"
    )
    given = [r.answers[0] if r.answers else "" for r in rows]
    faults = _not_text(task.answers, given, expected)
    if form == "head":
        # A head can but point at an answer; T5 may write what the context does not say word by
        # word.
        lost = [-1 in r.starts for r in rows]
        n_case = sum(flag and _differ_by_case(row) for row, flag in zip(rows, lost, strict=True))
        what = f"{task.answers} that do not occur in the {task.context}"
        remedy = (
            f"{n_case} of them differ by upper and lower case only; write them as the"
            f" {task.context} has them, or take a model that writes (T5)"
        )
        faults.append((what, remedy, lost))
    return faults


def _differ_by_case(row: Example) -> bool:
    context = row.second.casefold()
    return all(answer.casefold() in context for answer in row.answers)


def _is_given(label: str) -> bool:
    return bool(label) and not isinstance(label, NotText)


def _number_hint(labels: Sequence[str]) -> str:
    """How to write the labels as numbers."""
    if {"True", "False"} & set(labels):
        return "write 0 and 1, or take classification"
    if any("," in label and as_number(label.replace(",", ".")) is not None for label in labels):
        return "write a decimal point, not a comma"
    return "write it like 1, -0.5 or 1e-05"


def _nan(labels: Sequence[str]) -> list[bool]:
    """Which labels are NaN as a file without types holds it, if all others are numbers; where they
    are words, `nan` may be one as well.
    """
    is_nan = [label.lower() == "nan" for label in labels]
    numbers = [label for label in labels if _is_given(label) and label.lower() != "nan"]
    is_numeric = all(as_number(label) is not None for label in numbers)
    return is_nan if is_numeric else [False] * len(labels)

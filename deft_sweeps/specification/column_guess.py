"""Guesses what a file's columns are for: the kind of task, its texts, and what is to be learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.errors import DataError
from deft_sweeps.objective import suggest
from deft_sweeps.specification import column_name
from deft_sweeps.specification.column_sample import Column
from deft_sweeps.specification.column_table import ColumnTable, Labelled

FileTaskName = Literal["classification", "regression", "qa", "text"]

MOST_GUESSED = 50
"""A column that is not named like a label is taken for one up to so many classes."""
_MIN_SHARE_IN_CONTEXT = 0.5
_PRINTED_ANSWERS = ("{'text'", '{"text"', "{'answer_start'", '{"answer_start"')
_WANTED = {
    None: "a text and a label",
    "classification": "a text and a class",
    "regression": "a text and a number",
    "qa": "a question, a context and answers",
    "text": "a text and a text to write",
}


@dataclass(frozen=True, slots=True)
class NamedColumns:
    """The columns that the user names; None is to be guessed.

    Attributes:
        text: the text, or the question.
        pair: a second text, or the context.
        label: the class, the number, the answers, or the text to write.
    """

    text: str | None = None
    pair: str | None = None
    label: str | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """Those that are named."""
        return tuple(name for name in (self.text, self.pair, self.label) if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnGuess:
    """What the columns of a file seem to be for.

    Attributes:
        text: column of the text, or of the question.
        pair: column of a second text, or of the context; None where there is none.
        label: column of the class, the number, the answers, or the text to write.
        why: how the task and the label were decided.
        classes: of a classification's sampled rows, sorted.
        other_labels: columns that can be the label as well.
        other_texts: columns of texts that are not used.
        groups: columns whose rows of one value may belong together.
    """

    task: FileTaskName
    text: str
    pair: str | None
    label: str
    why: str
    classes: tuple[str, ...] = ()
    other_labels: tuple[str, ...] = ()
    other_texts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def guess_columns(
    path: str,
    columns: Sequence[Column],
    named: NamedColumns = NamedColumns(),
    task: FileTaskName | None = None,
) -> ColumnGuess:
    """Guesses what the columns of a file are for.

    Args:
        path: of the file, for messages.
        columns: of its first rows.
        named: what the user says of them.
        task: its kind, where the user says so.

    Raises:
        DataError: a named column is not there, or nothing fits; with every column and why not.
    """
    table = ColumnTable({column.name: column for column in columns})
    for name in named.given:
        if name not in table.columns:
            raise DataError(
                f"{path}: no column {name!r}{suggest(name, list(table.columns))}; there are"
                f" {', '.join(table.columns)}"
            )
    readings = {
        "qa": [_answers],
        "text": [_target],
        "classification": [_named_label, _likely_label],
        "regression": [_named_label, _likely_label],
        None: [_answers, _named_label, _target, _likely_label],
    }
    guesses = (reading(table, named, task) for reading in readings[task])
    guess = next(filter(None, guesses), None)
    if guess is None:
        raise DataError(_nothing_fits(path, table, task))
    return guess


def _answers(
    table: ColumnTable, named: NamedColumns, task: FileTaskName | None
) -> ColumnGuess | None:
    """A question, its context, and the answers in it."""
    taken = set(named.given)
    question = _given(named.text, table.named(column_name.QUESTION_NAMES, taken, texts=True))
    context = _given(named.pair, table.named(column_name.CONTEXT_NAMES, taken, texts=True))
    answers = _given(named.label, table.named(column_name.ANSWER_NAMES, taken))
    if question is None or context is None or answers is None:
        return None
    reason = _answers_in(table.columns[answers], table.columns[context])
    if task is None and not reason:
        return None
    return ColumnGuess(
        task="qa",
        text=question,
        pair=context,
        label=answers,
        why=reason or "--task says so",
        groups=table.groups((question, context, answers)),
    )


def _target(
    table: ColumnTable, named: NamedColumns, task: FileTaskName | None
) -> ColumnGuess | None:
    """A text to write."""
    taken = set(named.given)
    target = _given(named.label, table.named(column_name.TARGET_NAMES, taken, texts=True))
    text = _given(named.text, table.text({target, named.pair}))
    if target is None and task == "text":
        target = table.text({text, named.pair})
    if target is None or text is None or not table.columns[target].is_text:
        return None
    return ColumnGuess(
        task="text",
        text=text,
        pair=None,
        label=target,
        why=f"{target} holds texts to write"
        + (
            ""
            if task or named.label is not None
            else ", and no column is named like a label and holds classes or numbers"
        ),
        other_texts=table.texts({target, text}),
        groups=table.groups((target, text)),
    )


def _named_label(
    table: ColumnTable, named: NamedColumns, task: FileTaskName | None
) -> ColumnGuess | None:
    """A label that the user names, or that is named like one."""
    kind = _labelled_kind(task)
    if named.label is not None:
        return _labelled(table, named, kind, named.label, f"--label says {named.label}")
    names = column_name.LABEL_NAMES
    likely = [name for name in table.labels(kind, named.given) if column_name.is_named(name, names)]
    label = min(likely, key=lambda name: column_name.rank(name, names), default=None)
    return (
        None
        if label is None
        else _labelled(table, named, kind, label, f"{label} is named like a label")
    )


def _likely_label(
    table: ColumnTable, named: NamedColumns, task: FileTaskName | None
) -> ColumnGuess | None:
    """A label that only its values show: classes before numbers, and of those the fewest."""
    kind = _labelled_kind(task)
    few = [
        name
        for name in table.labels(kind, named.given)
        if not column_name.is_no_label(name)
        and (table.task_of(name) == "regression" or table.columns[name].n_distinct <= MOST_GUESSED)
    ]
    if named.label is not None or not few:
        return None
    label = min(
        few, key=lambda name: (table.task_of(name) == "regression", table.columns[name].n_distinct)
    )
    return _labelled(
        table,
        named,
        kind,
        label,
        f"{label} holds values that come back"
        if table.task_of(label) == "classification"
        else f"{label} holds numbers",
    )


def _labelled(
    table: ColumnTable, named: NamedColumns, kind: Labelled | None, label: str, reason: str
) -> ColumnGuess | None:
    task = kind or table.task_of(label)
    pair = table.pair(named.text, named.pair, {label})
    text = _given(named.text, pair[0] if pair else table.text({label, named.pair}))
    if text is None or task is None:
        return None
    second = _given(named.pair, pair[1] if pair and pair[0] == text else None)
    if second is None and named.text is None:
        second = table.named(column_name.SECOND_NAMES, {label, text}, texts=True)
    column, used = table.columns[label], {label, text, second}
    is_class = task == "classification"
    return ColumnGuess(
        task=task,
        text=text,
        pair=second,
        label=label,
        why=f"{reason}, and has {column.n_distinct} " + ("classes" if is_class else "numbers"),
        classes=tuple(sorted(set(column.texts))) if is_class else (),
        other_labels=tuple(
            name for name in table.labels(kind, used) if not column_name.is_no_label(name)
        ),
        other_texts=table.texts(used),
        groups=table.groups(used),
    )


def _given(name: str | None, guessed: str | None) -> str | None:
    # A column may be named by an empty text.
    return guessed if name is None else name


def _labelled_kind(task: FileTaskName | None) -> Labelled | None:
    return task if task in ("classification", "regression") else None


def _answers_in(answers: Column, context: Column) -> str:
    """How it shows that a column holds answers; empty if it does not."""
    if answers.is_nested:
        return f"{answers.name} holds lists or mappings, as answers in a context do"
    if any(text.startswith(_PRINTED_ANSWERS) for text in answers.texts):
        return f"{answers.name} holds printed answers"
    rows = [
        (answer.strip(), whole)
        for answer, whole in zip(answers.values, context.values, strict=True)
        if isinstance(answer, str) and answer.strip() and isinstance(whole, str)
    ]
    n_inside = sum(answer in whole for answer, whole in rows)
    if not rows or n_inside < _MIN_SHARE_IN_CONTEXT * len(rows):
        return ""
    return f"{answers.name} occurs in {context.name} in {n_inside} of {len(rows)} rows"


def _nothing_fits(path: str, table: ColumnTable, task: FileTaskName | None) -> str:
    kind = _labelled_kind(task)
    each = "; ".join(
        f"{name!r} "
        + ("holds texts" if column.is_text else "holds no texts")
        + f", and as a label it {table.no_label(name, kind) or 'would do'}"
        for name, column in table.columns.items()
    )
    return (
        f"{path}: expected {_WANTED[task]}, and no columns look like them: {each}. Name them with"
        " --text, --pair and --label, or say what the task is with --task"
    )

"""A task's splits as text (train, validation, test and, if asked for, selection), and everything
that keeps them from being used, before anything starts. Loads no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from deft_sweeps.config.data import FileTask, Form, Task, task_kind
from deft_sweeps.errors import DataError
from deft_sweeps.models.families import FAMILIES, writing_families
from deft_sweeps.task_metrics import why_unsuitable
from deft_sweeps.tasks.data_source import sources
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.files import check_labels, check_rows, check_spelling
from deft_sweeps.tasks.split import Examples, draw
from deft_sweeps.tasks.split_check import check_splits, shared_rows, slow_classes


@dataclass(frozen=True, slots=True)
class Examination:
    """What reading a task's data gave.

    Attributes:
        splits: None where there are problems.
        problems: that keep the data from being used.
        notes: how it was read, where that is not as a file's name says, and what was counted.
    """

    splits: Examples | None = None
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()

    def usable(self) -> Examples:
        """The splits.

        Raises:
            DataError: they cannot be used; the message has a line a reason.
        """
        if self.splits is None:
            raise DataError("\n".join(self.problems))
        return self.splits


def form_of(family: str) -> Form:
    """How the models of a family answer."""
    return FAMILIES[family].form


def check_task(task: Task, form: Form | None = None) -> list[str]:
    """Every problem with files, columns, rows, classes and sizes; empty when there is none.

    Args:
        task: to be looked at.
        form: of the model; None leaves out what only some models ask for.
    """
    return list(examine(task, form).problems)


def read_splits(task: Task, form: Form | None = None) -> Examples:
    """The task's disjoint splits.

    Raises:
        DataError: they cannot be used; the message has a line a reason.
    """
    return examine(task, form).usable()


def examine(task: Task, form: Form | None = None) -> Examination:
    """The task's splits, or the problems that there are with them, and what is to be said of them
    in any case.
    """
    if form == "head" and task_kind(task) == "text":
        return Examination(
            problems=(
                f"a task of free text needs a model that writes ({writing_families()}), not one"
                " with a head",
            )
        )
    if reason := _unsuitable_metric(task):
        return Examination(problems=(reason,))
    parts, problems, notes = _read_parts(task, form)
    if isinstance(task, FileTask):
        problems += check_labels(parts.get("train", []), task)
        problems += check_spelling((row for rows in parts.values() for row in rows), task)
    if not problems:
        splits = draw(
            parts["train"],
            task.splits,
            parts.get("validation"),
            parts.get("test"),
            by_class=task_kind(task) == "classification",
        )
        problems = check_splits(splits, task)
        if not problems:
            shared = shared_rows(splits, task) if isinstance(task, FileTask) else []
            slow = slow_classes(splits, form)
            return Examination(splits, notes=(*notes, *shared, *slow))
    return Examination(problems=tuple(dict.fromkeys(problems)), notes=tuple(notes))


def _read_parts(
    task: Task, form: Form | None
) -> tuple[dict[str, list[Example]], list[str], list[str]]:
    """The examples of each file or split, what is wrong with their rows, and notes."""
    parts: dict[str, list[Example]] = {}
    problems: list[str] = []
    notes: list[str] = []
    try:
        for part, source in sources(task).items():
            try:
                reading = source.read()
            except DataError as error:
                problems += str(error).splitlines()
                continue
            parts[part] = reading.examples
            notes += [f"{source.name}: {note}" for note in reading.notes]
            if isinstance(task, FileTask):
                problems += [
                    f"{source.name}: {problem}" for problem in check_rows(parts[part], task, form)
                ]
    except DataError as error:
        problems += str(error).splitlines()
    return parts, problems, notes


def _unsuitable_metric(task: Task) -> str:
    if not isinstance(task, FileTask) or task.metric is None:
        return ""
    reason = why_unsuitable(task.metric, task_kind(task))
    return f"metric: {reason}" if reason else ""

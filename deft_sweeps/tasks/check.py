"""A task's three splits as text, and everything that keeps them from being used, found before
anything starts. Loads no torch.
"""

from deft_sweeps.config.data import FileTask, Form, Task, task_kind
from deft_sweeps.errors import DataError
from deft_sweeps.models.families import FAMILIES, writing_families
from deft_sweeps.task_metrics import why_unsuitable
from deft_sweeps.tasks.data_source import sources
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.files import check_labels, check_rows
from deft_sweeps.tasks.split import Examples, draw
from deft_sweeps.tasks.split_check import check_splits


def form_of(family: str) -> Form:
    """How the models of a family answer."""
    return FAMILIES[family].form


def check_task(task: Task, form: Form | None = None) -> list[str]:
    """Every problem with files, columns, rows, classes and sizes; empty when there is none.

    Args:
        task: to be looked at.
        form: of the model; None leaves out what only some models ask for.
    """
    outcome = examine(task, form)
    return outcome if isinstance(outcome, list) else []


def read_splits(task: Task, form: Form | None = None) -> Examples:
    """The task's disjoint splits.

    Raises:
        DataError: they cannot be used; the message has a line a reason.
    """
    outcome = examine(task, form)
    if isinstance(outcome, list):
        raise DataError("\n".join(outcome))
    return outcome


def examine(task: Task, form: Form | None = None) -> Examples | list[str]:
    """The task's splits, or the problems that there are with them."""
    if form == "head" and task_kind(task) == "text":
        return [
            f"a task of free text needs a model that writes ({writing_families()}), not one with a"
            " head"
        ]
    if reason := _unsuitable_metric(task):
        return [reason]
    parts: dict[str, list[Example]] = {}
    problems: list[str] = []
    try:
        for part, source in sources(task).items():
            try:
                parts[part] = source.read()
            except DataError as error:
                problems += str(error).splitlines()
                continue
            if isinstance(task, FileTask):
                problems += [
                    f"{source.name}: {problem}" for problem in check_rows(parts[part], task, form)
                ]
    except DataError as error:
        problems += str(error).splitlines()
    if isinstance(task, FileTask):
        problems += check_labels(parts.get("train", []), task)
    if problems:
        return list(dict.fromkeys(problems))
    splits = draw(
        parts["train"],
        task.splits,
        parts.get("validation"),
        parts.get("test"),
        by_class=task_kind(task) == "classification",
    )
    return check_splits(splits, task) or splits


def _unsuitable_metric(task: Task) -> str:
    if not isinstance(task, FileTask) or task.metric is None:
        return ""
    reason = why_unsuitable(task.metric, task_kind(task))
    return f"metric: {reason}" if reason else ""

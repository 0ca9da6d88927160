"""Which setting of a task a problem with its data is about, and what to change there."""

import re
from collections.abc import Callable, Sequence

from deft_sweeps.config.data import FileTask, Task
from deft_sweeps.errors import Problem
from deft_sweeps.objective import suggest
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.files import columns

_FILES = ("validation_path", "test_path", "path", "folder")
_COLUMNS = (
    *("text", "text_pair", "label", "question", "context", "answers", "target"),
    "group",
)
_MISSING = re.compile(
    r": no column (?P<missing>.+?); there are (?P<present>[^;]+)(?P<hint>;.*)?", re.DOTALL
)


def data_problems(what: str, task: Task, at: Callable[..., str]) -> list[Problem]:
    """A problem with the data at the setting that it is about: the task where that is not plain.

    Args:
        what: as the task's check says it.
        task: as it was checked, its paths in full.
        at: gives the place of a setting in the spec.
    """
    match = _MISSING.search(what)
    if match is None or not isinstance(task, FileTask):
        return [Problem(at(*_file_of(what, task)), what)]
    # Several columns are told at once; a name may hold the comma that parts them.
    missing = f", {match['missing']}, "
    settings = [
        name
        for name in _COLUMNS
        if getattr(task, name) in columns(task) and f", {getattr(task, name)}, " in missing
    ]
    source = what[: match.start()]
    problems = []
    for name in settings:
        column = str(getattr(task, name))
        near = suggest(column, match["present"].split(", ")).strip(" ()")
        # What the reader supposes of the whole file is no use where a name is near.
        hint = "" if near else match["hint"] or ""
        plain = f"{source}: no column {column}; there are {match['present']}{hint}"
        remedy = near or ("" if hint else f"name the column with `{name}:`")
        if name == "group":
            remedy = f"{near or 'name a column that the file has'}, or leave group out"
        problems.append(Problem(at("task", name), plain, remedy))
    return problems or [Problem(at("task"), what)]


def numbers_as_classes(task: Task, examples: Sequence[Example]) -> list[str]:
    """A note where the classes are numbers with fractions, which may be meant as numbers."""
    if not isinstance(task, FileTask) or task.task != "classification":
        return []
    classes = {example.label for example in examples}
    try:
        numbers = [float(label) for label in classes]
    except ValueError:
        return []
    if all(number.is_integer() for number in numbers):
        return []
    return [
        f"{task.label} holds numbers with fractions, which are {len(numbers)} classes here: `task:"
        " regression` predicts them as numbers"
    ]


def _file_of(problem: str, task: Task) -> tuple[str, ...]:
    """The file that a problem begins with."""
    for name in _FILES:
        path = getattr(task, name, None)
        if path is not None and problem.startswith((f"{path}:", f"{path}/")):
            return ("task", name)
    return ("task",)

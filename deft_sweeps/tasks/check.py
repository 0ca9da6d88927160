"""A task's three splits as text, and everything that keeps them from being used, found before anything starts. Loads no torch."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from deft_sweeps.config.data import FileTask, PackagedTask, Splits, Task
from deft_sweeps.errors import DataError
from deft_sweeps.tasks.examples import Example, read_file, read_rotten_tomatoes, rotten_tomatoes_path
from deft_sweeps.tasks.split import Examples, draw

MAX_CLASSES = 200
"""More distinct labels than this look like a column of texts or numbers, not of classes."""

FEW_CLASSES = 20
"""Up to this many, a file may have fewer than two rows a class."""


def check_task(task: Task) -> list[str]:
    """Every problem with files, columns, rows, classes and sizes; empty when there is none."""
    found = examine(task)
    return found if isinstance(found, list) else []


def read_splits(task: Task) -> Examples:
    """The task's disjoint splits.

    Raises:
        DataError: they cannot be used; the message has a line a reason.
    """
    found = examine(task)
    if isinstance(found, list):
        raise DataError("\n".join(found))
    return found


def examine(task: Task) -> Examples | list[str]:
    """The task's splits, or the problems that there are with them."""
    match task:
        case PackagedTask():
            try:
                splits = draw(read_rotten_tomatoes(), task.splits)
            except DataError as error:
                return [str(error)]
        case FileTask():
            rows, problems = _read(task)
            problems += _check_classes(rows.get("path", []), task)
            if problems:
                return problems
            splits = draw(rows["path"], task.splits, rows.get("validation_path"), rows.get("test_path"))
    return _check_splits(splits, task.splits) or splits


def source_paths(task: Task) -> dict[str, Path]:
    """The files that the examples are read from, under the name of the task's field; relative ones from the working directory.

    Raises:
        DataError: the packaged task's package is not installed.
    """
    match task:
        case PackagedTask():
            return {"path": rotten_tomatoes_path()}
        case FileTask():
            named = {"path": task.path, "validation_path": task.validation_path, "test_path": task.test_path}
            return {field: Path(path).expanduser() for field, path in named.items() if path is not None}


def _read(task: FileTask) -> tuple[dict[str, list[Example]], list[str]]:
    rows: dict[str, list[Example]] = {}
    problems: list[str] = []
    for field, path in source_paths(task).items():
        try:
            rows[field] = read_file(path, task.text, task.label, task.group)
        except DataError as error:
            problems.append(str(error))
        else:
            problems += [f"{path}: {problem}" for problem in _check_rows(rows[field], task)]
    return rows, problems


def _check_rows(rows: list[Example], task: FileTask) -> list[str]:
    if not rows:
        return ["has no rows"]
    empty = {task.text: [not row.text.strip() for row in rows], task.label: [not row.label for row in rows]}
    if task.group is not None:
        empty[task.group] = [not row.group.strip() for row in rows]
    return [
        f"{sum(flags)} of {len(rows)} rows have an empty {column}: row {_some(i for i, flag in enumerate(flags, 1) if flag)}"
        for column, flags in empty.items()
        if any(flags)
    ]


def _check_classes(rows: list[Example], task: FileTask) -> list[str]:
    classes = Counter(row.label for row in rows if row.label)
    if len(classes) == 1:
        return [f"{task.path}: column {task.label} has one class only, {next(iter(classes))!r}; expected two or more"]
    if len(classes) > MAX_CLASSES or len(classes) > max(FEW_CLASSES, len(rows) / 2):
        shown = _some(repr(label[:40]) for label, _ in classes.most_common())
        return [f"{task.path}: column {task.label} has {len(classes)} distinct values in {len(rows)} rows ({shown}); are they labels?"]
    return []


def _check_splits(splits: Examples, asked: Splits) -> list[str]:
    drawn = (("train", splits.train, asked.train), ("validation", splits.validation, asked.validation), ("test", splits.test, asked.test))
    problems = [
        f"too few examples: {len(examples)} are left for {name}, expected {size or 'one at least'}"
        for name, examples, size in drawn
        if len(examples) < (size or 1)
    ]
    if problems:
        return problems
    known = {example.label for example in splits.train}
    if len(known) < 2:
        problems.append(f"train has examples of one class only: {_some(known)}")
    for name, examples, _ in drawn[1:]:
        unknown = {example.label for example in examples} - known
        if unknown:
            problems.append(f"{name} has classes that train has no example of: {_some(sorted(unknown))}")
    return problems


def _some(values: Iterable[object]) -> str:
    listed = [str(value) for value in values]
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")

"""What keeps drawn splits from being used: too few rows, too few classes, classes that train
lacks. Loads no torch.
"""

from collections import Counter

from deft_sweeps.config.data import FileTask, Form, Task, task_kind
from deft_sweeps.task_metrics import TASK_METRICS, suitable
from deft_sweeps.tasks.examples import Example
from deft_sweeps.tasks.files import some
from deft_sweeps.tasks.split import Examples
from deft_sweeps.units import count

SLOW_CLASSES = 50
"""From this many on, it is said that a model that writes may score each class by itself. With 300
whose names begin alike, packaged/flan-t5-small-title took 1.7 s of one core for each example."""


def check_splits(splits: Examples, task: Task) -> list[str]:
    """The problems of the splits, a sentence each; empty without any."""
    problems = _too_few(splits, task)
    if problems or task_kind(task) != "classification":
        return problems
    trained_labels = {example.label for example in splits.train}
    if len(trained_labels) < 2:
        problems.append(
            f"train has examples of one class only: {some(trained_labels)}; expected two or more;"
            " raise `splits.train`, or add rows of another class"
        )
    problems += _wrong_number_of_classes(task, trained_labels)
    held_out = (
        ("validation", splits.validation),
        ("selection", splits.selection),
        ("test", splits.test),
    )
    for name, examples in held_out:
        problems += _unknown_classes(name, examples, trained_labels, task)
    return problems


def shared_rows(splits: Examples, task: Task) -> list[str]:
    """That rows were left out because an earlier split has their text, a sentence a file; empty
    when none were.
    """
    sources = {"train": "the training file", "validation": "the validation file"}
    column = task.group if isinstance(task, FileTask) else None
    what = f"text or {column}" if column else "text"
    return [
        f"{count(n, 'row')} of {file} left out, because another split has the"
        f" same {what} (letter case and spacing aside): no example is in two splits"
        for source, file in sources.items()
        if (n := splits.shared.get(source, 0))
    ]


def slow_classes(splits: Examples, form: Form | None) -> list[str]:
    """That so many classes take a model that writes long, a sentence; empty where they do not."""
    n = len({row.label for row in splits.train})
    if form != "text-to-text" or n < SLOW_CLASSES:
        return []
    return [
        f"{n} classes: if two of their names begin alike, the decoder is run {n} times for each"
        " measured example; let each name begin with another word, make `splits.validation`"
        " smaller, or take a model with a head, which answers in one run"
    ]


def _too_few(splits: Examples, task: Task) -> list[str]:
    requested = task.splits
    drawn = (
        ("train", splits.train, requested.train),
        ("validation", splits.validation, requested.validation),
        ("test", splits.test, requested.test),
    )
    problems = [
        f"too few examples: {len(examples)} are left for {name}, expected {size or 'one at least'}"
        for name, examples, size in drawn
        if len(examples) < (size or 1)
    ]
    if not problems:
        return []
    n_all = sum(len(examples) for _, examples, _ in drawn)
    problems[-1] += (
        f"; {n_all} are left in all: make a number under `splits` smaller (null takes a fifth of"
        " the training file for validation or test, and the rest for train), or add rows"
    )
    return [*problems, *shared_rows(splits, task)]


def _unknown_classes(
    name: str, examples: list[Example], trained_labels: set[str], task: Task
) -> list[str]:
    unknown = Counter(row.label for row in examples if row.label not in trained_labels)
    if not unknown:
        return []
    shown = some(f"{label[:40]} ({count(n, 'row')})" for label, n in sorted(unknown.items()))
    own = _own_file(name, task)
    fix = (
        f"add rows of them to the training file, or take them out of {own}"
        if own
        else "raise `splits.train`, or add rows of them"
    )
    are = "a class" if len(unknown) == 1 else f"{len(unknown)} classes"
    return [f"{name} has {are} that train has no example of: {shown}; {fix}"]


def _own_file(name: str, task: Task) -> str:
    """The file or hub split that this split is read from; empty where it is cut off train."""
    if not isinstance(task, FileTask):
        return ""
    files = {"validation": task.validation_path, "test": task.test_path}
    hub = {"validation": task.hub_validation, "test": task.hub_test}
    return files.get(name) or hub.get(name) or ""


def _wrong_number_of_classes(task: Task, classes: set[str]) -> list[str]:
    metric = task.metric if isinstance(task, FileTask) else None
    n_classes = None if metric is None else TASK_METRICS[metric].n_classes
    if n_classes is None or len(classes) == n_classes:
        return []
    others = [one.name for one in suitable(task_kind(task)) if one.n_classes is None]
    has = f"train has {len(classes)} classes: {some(sorted(classes))}"
    return [f"metric: {metric} needs {n_classes} classes, {has}; take one of {', '.join(others)}"]

"""Where a task's examples are read from: files, the hub, or a Python package. Loads no torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from deft_sweeps.config.data import (
    FileTask,
    GlueName,
    GlueTask,
    PackagedTask,
    SquadTask,
    Task,
    local_path,
)
from deft_sweeps.tasks import glue, hub_dataset, squad
from deft_sweeps.tasks.examples import Example, Reading, read_rotten_tomatoes, rotten_tomatoes_path
from deft_sweeps.tasks.files import columns, read_examples, read_file
from deft_sweeps.tasks.phrases import sentences
from deft_sweeps.tasks.rows import row_files


@dataclass(frozen=True, slots=True)
class Source:
    """One part of a task's examples.

    Attributes:
        name: of the file, or of the hub data set and its split, for messages.
        read: gives its examples, or raises a DataError.
    """

    name: str
    read: Callable[[], Reading]


def sources(task: Task) -> dict[str, Source]:
    """The parts that examples come in: `train`, and `validation` and `test` where those are not cut
    off it.

    Raises:
        DataError: a folder lacks a file.
    """
    files = source_files(task)
    match task:
        case PackagedTask():
            return {"train": Source(task.name, lambda: Reading(read_rotten_tomatoes()))}
        case FileTask(hub=None):
            return {
                part: Source(str(path), partial(read_file, path, task))
                for part, path in _paths(task).items()
            }
        case FileTask():
            named = {
                "train": task.hub_train,
                "validation": task.hub_validation,
                "test": task.hub_test,
            }
            return {
                part: _hub_source(task, split) for part, split in named.items() if split is not None
            }
        case GlueTask(name=name):
            return {
                part: Source(f"glue/{name}", partial(_glue, name, part, files))
                for part in ("train", "test")
            }
        case SquadTask():
            return {
                part: Source(f"squad {task.version}", partial(_squad, task, part, files))
                for part in ("train", "test")
            }


def source_files(task: Task) -> dict[str, list[Path]]:
    """The files that the parts are read from, relative ones from the working directory; none where
    the hub is the source.

    Raises:
        DataError: a folder lacks a file, or the packaged task's package is not installed.
    """
    match task:
        case PackagedTask():
            return {"train": [rotten_tomatoes_path()]}
        case GlueTask(name=name, folder=folder):
            return {} if folder is None else glue.glue_files(name, local_path(folder))
        case SquadTask(folder=folder):
            return {} if folder is None else squad.squad_files(task, local_path(folder))
        case FileTask():
            return {part: row_files(path) for part, path in _paths(task).items()}


def hub_name(task: Task) -> tuple[str, str | None, str | None] | None:
    """The hub data set, its configuration and revision; None where files are the source."""
    match task:
        case GlueTask(name=name, folder=None):
            return glue.HUB, glue.GLUE[name].hub, None
        case SquadTask(version=version, folder=None):
            return squad.HUB[version], None, None
        case FileTask(hub=str(name)):
            return name, task.hub_config, task.hub_revision
        case _:
            return None


def _paths(task: FileTask) -> dict[str, Path]:
    named = {"train": task.path, "validation": task.validation_path, "test": task.test_path}
    return {part: local_path(path) for part, path in named.items() if path is not None}


def _hub_source(task: FileTask, split: str) -> Source:
    name, config = str(task.hub), task.hub_config

    def read() -> Reading:
        rows = hub_dataset.hub_rows(name, config, split, columns(task), task.hub_revision)
        return read_examples(rows, task)

    return Source(f"{name}, split {split}", read)


def _glue(name: GlueName, part: str, files: dict[str, list[Path]]) -> Reading:
    of = glue.GLUE[name]
    if files:
        examples = glue.read_glue(name, files[part])
    else:
        split = of.train if part == "train" else of.test[0]
        rows = hub_dataset.hub_rows(glue.HUB, of.hub, split, [*of.texts, of.labels[0]])
        examples = glue.glue_examples(of, f"{glue.HUB} {of.hub}, split {split}", enumerate(rows, 1))
    if part == "test":
        return Reading(_apart(examples))
    return Reading(_by_sentence(examples) if name == "sst2" else examples)


def _squad(task: SquadTask, part: str, files: dict[str, list[Path]]) -> Reading:
    if files:
        return Reading(squad.read_squad(task, files[part]))
    name, split = squad.HUB[task.version], "train" if part == "train" else "validation"
    rows = hub_dataset.hub_rows(name, None, split, squad.HUB_COLUMNS)
    return Reading(squad.squad_examples(f"{name}, split {split}", rows))


def _apart(examples: list[Example]) -> list[Example]:
    """With groups that training has none of: GLUE's own sets share single sentences (QQP's
    questions above all), which stay as they are.
    """
    return [replace(one, group=f"test {one.group}") for one in examples]


def _by_sentence(examples: list[Example]) -> list[Example]:
    """With SST-2's phrases in one group with their sentence."""
    whole = sentences([one.text for one in examples])
    return [
        replace(one, group=examples[of].text, is_part=of != i)
        for i, (one, of) in enumerate(zip(examples, whole, strict=True))
    ]

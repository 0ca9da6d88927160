"""Where the files of a configuration lie: its paths are relative to the folder of the YAML that it
was read from.

A configuration keeps its paths as they are written, since they are part of its `config_id`: a
folder that moves renames no trial. Whatever opens a file asks here first.
"""

import os
from dataclasses import dataclass, replace
from typing import Any

from deft_sweeps.config.data import FileTask, GlueTask, SquadTask, Task
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.packaged.checkpoint_conversion import is_packaged

_PATHS: dict[type, tuple[str, ...]] = {
    FileTask: ("path", "validation_path", "test_path"),
    GlueTask: ("folder",),
    SquadTask: ("folder",),
}


@dataclass(frozen=True, slots=True)
class WrittenPath:
    """A relative path in a spec.

    Attributes:
        setting: where it stands: `("model",)` or `("task", "path")`.
        path: as it is written.
        in_folder: the same from the spec's folder.
        in_cwd: the same from the working directory.
    """

    setting: tuple[str, ...]
    path: str
    in_folder: str
    in_cwd: str

    @property
    def is_misplaced(self) -> bool:
        """Whether the working directory alone has it."""
        return not os.path.exists(self.in_folder) and os.path.exists(self.in_cwd)

    @property
    def is_ambiguous(self) -> bool:
        """Whether the working directory has another one."""
        return (
            os.path.exists(self.in_folder)
            and os.path.exists(self.in_cwd)
            and not os.path.samefile(self.in_folder, self.in_cwd)
        )


def located(config: TrialConfig, folder: str) -> TrialConfig:
    """The configuration with paths that can be opened, for reading only: its `config_id` is
    another.

    Args:
        config: as it was read.
        folder: that relative paths start from, absolute; empty leaves them to the working
            directory.
    """
    if not folder:
        return config
    return replace(
        config, model=located_model(config.model, folder), task=located_task(config.task, folder)
    )


def located_model(name: str, folder: str) -> str:
    """A model's folder in full; hub ids and packaged names stay as they are."""
    if not folder or is_packaged(name):
        return name
    path = joined(folder, name)
    is_path = name.startswith((".", "~", "/")) or name.count("/") > 1 or os.path.isdir(path)
    return path if is_path else name


def located_checkpoint(config: TrialConfig, folder: str) -> str:
    """The configuration's `checkpoint`, with the model's folder in full."""
    return replace(config, model=located_model(config.model, folder)).checkpoint


def located_task(task: Task, folder: str) -> Task:
    """The task with its files' paths in full."""
    paths: dict[str, Any] = {name: joined(folder, path) for name, path in _written(task).items()}
    return replace(task, **paths)


def written_paths(config: TrialConfig, folder: str) -> list[WrittenPath]:
    """Every relative path of a configuration, and a model that may be one."""
    named: dict[tuple[str, ...], str] = {
        ("task", name): path for name, path in _written(config.task).items()
    }
    if not is_packaged(config.model):
        named[("model",)] = config.model
    return [
        WrittenPath(setting, path, joined(folder, path), os.path.abspath(path))
        for setting, path in named.items()
        if not os.path.isabs(os.path.expanduser(path))
    ]


def joined(folder: str, path: str) -> str:
    """A path from a folder; one that is absolute, or begins with `~`, stands for itself."""
    return os.path.join(folder, os.path.expanduser(path))


def _written(task: Task) -> dict[str, str]:
    given = {name: getattr(task, name) for name in _PATHS.get(type(task), ())}
    return {name: path for name, path in given.items() if path is not None}

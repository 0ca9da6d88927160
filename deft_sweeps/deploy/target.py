"""What the rest of the program needs to know of an export target. Loads no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig

if TYPE_CHECKING:
    from deft_sweeps.tasks.task_data import TaskData
    from deft_sweeps.trial.build import TrialModel


@dataclass(frozen=True, slots=True)
class ExportJob:
    """A trained trial to export.

    Attributes:
        config: of the trial.
        trial_model: built on its base, with the trained weights loaded.
        data: of its task; class ids, sample inputs.
        threshold: of the gate, one for all blocks.
        block_thresholds: each block's own threshold, in running order; empty for none.
        n_outputs: of the head; 0 if the model writes its answer.
    """

    config: TrialConfig
    trial_model: "TrialModel"
    data: "TaskData"
    threshold: float
    block_thresholds: tuple[float, ...] = ()
    n_outputs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One export format. No part has a default, so none can be forgotten.

    Attributes:
        name: on the command line, and of the folder in the bundle.
        title: for tables and messages.
        extra: the optional dependency that it needs, as in `deft-sweeps[onnx]`; empty for none.
        problems: why a configuration cannot be exported, each a sentence; empty if it can.
        differences: what the exported model computes otherwise than the trial at its threshold,
            each a sentence: the configuration and the threshold in, empty if nothing.
        export: writes the artefact into an empty folder.
    """

    name: str
    title: str
    extra: str
    problems: Callable[[TrialConfig, Layout], tuple[str, ...]]
    differences: Callable[[TrialConfig, float], tuple[str, ...]]
    export: Callable[[ExportJob, Path], None]


class _Differences(Protocol):
    def __call__(self, config: TrialConfig, threshold: float, *, int8: bool) -> tuple[str, ...]: ...


class _Export(Protocol):
    def __call__(self, job: ExportJob, folder: Path, *, int8: bool) -> None: ...


def float32_and_int8(
    name: str,
    title: str,
    *,
    extra: str,
    problems: Callable[[TrialConfig, Layout], tuple[str, ...]],
    differences: _Differences,
    export: _Export,
) -> tuple[Target, Target]:
    """A format's two targets: `name` in float32 and `name-int8`.

    Args:
        name: of the format.
        title: of the format.
        extra: as `Target` has it.
        problems: the same for both.
        differences: as `Target` has it; `int8` says whether weights are stored so.
        export: likewise.
    """

    def target(suffix: str, precision: str, *, int8: bool) -> Target:
        return Target(
            name=f"{name}{suffix}",
            title=f"{title}, {precision}",
            extra=extra,
            problems=problems,
            differences=partial(differences, int8=int8),
            export=partial(export, int8=int8),
        )

    return target("", "float32", int8=False), target("-int8", "int8", int8=True)

"""What the rest of the program needs to know of an export target. Loads no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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

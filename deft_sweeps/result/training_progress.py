"""What a training reports while it runs."""

from dataclasses import dataclass

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result.measured_point import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """One optimiser step: task loss and density loss before weighting, gradient norm before
    clipping.
    """

    step: int
    task_loss: float
    density_loss: float
    grad_norm: float
    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What advancing a training by some steps gave.

    Attributes:
        step: optimiser steps done so far.
        done: no step is left.
        steps: metrics of each step of this advance, for the tracker.
    """

    step: int
    done: bool
    steps: tuple[StepMetrics, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What was measured of a trial on its way, where early stopping asked for it; never a point of
    the front.

    Attributes:
        step: optimiser steps done.
        points: rising in their threshold, without per-example scores.
    """

    step: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingAtRung:
    """A training as it was measured at a rung. It has no costs yet, and is no result.

    Attributes:
        points: rising in their threshold, at least one.
    """

    config: TrialConfig
    seed: int
    points: tuple[Point, ...]
    cost: None = None
    provenance: None = None
    finished_at: float = 0.0

    @property
    def config_id(self) -> str:
        """Of the configuration, whatever the seed."""
        return self.config.config_id

    @property
    def trial_id(self) -> str:
        """Name of this training: `<config_id>-s<seed>`."""
        return self.config.trial_id(self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialTraining:
    """What was measured of a training so far; it may go on, or have been stopped.

    Attributes:
        rungs: rising in steps.
    """

    config: TrialConfig
    seed: int
    rungs: tuple[Rung, ...] = ()

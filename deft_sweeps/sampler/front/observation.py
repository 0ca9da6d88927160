"""What was measured of a sweep's trainings, read from the trials of an Optuna study."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import MARGINS, POINTS, PRIOR
from deft_sweeps.study.parameters import start_of


@dataclass(frozen=True, slots=True)
class Observation:
    """One point: metrics of one training at one step and threshold.

    Attributes:
        threshold_index: index in `point_names`.
        step_share: steps done as a share of the training's steps, in (0, 1].
        values: metrics in the order of `modelled(spec)`, in their units; nan if not measured.
    """

    threshold_index: int
    step_share: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ObservedTraining:
    """One training and its observations, in ascending order of steps.

    Attributes:
        number: of the study's trial.
        is_own: whether it is of this sweep; False if of an earlier one.
        margins: by how much `surely` tightens limits for it, by the limit's text.
    """

    number: int
    configuration: Start
    observations: tuple[Observation, ...]
    is_own: bool = True
    margins: Mapping[str, float] = field(default_factory=dict)

    @property
    def final(self) -> tuple[Observation, ...]:
        """Observations at the end of the training."""
        return tuple(point for point in self.observations if point.step_share == 1.0)

    @property
    def latest(self) -> tuple[Observation, ...]:
        """Observations at the step that was measured last."""
        return tuple(point for point in self.observations if point.step_share == self.step_share)

    @property
    def step_share(self) -> float:
        """Share of the steps at which it was last measured, 0 without any observation."""
        return max((point.step_share for point in self.observations), default=0.0)


def point_names(spec: SweepSpec) -> tuple[str, ...]:
    """Names (`Point.at`) of a trial's points: thresholds, then percentiles."""
    thresholds = (f"{threshold:g}" for threshold in spec.evaluation.thresholds)
    percentiles = (f"p{percentile:g}" for percentile in spec.evaluation.percentiles)
    return (*thresholds, *percentiles)


class ObservationReader:
    """Reads the trials of a sweep's study."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._threshold_indices = {name: i for i, name in enumerate(point_names(spec))}

    def read(self, trial: FrozenTrial) -> ObservedTraining | None:
        """Returns the trial's training; None if the trial is of another space."""
        try:
            configuration = start_of(self._spec, trial.params)
            n_steps = self._spec.config(configuration).training.steps
        except (KeyError, StopIteration, ValueError):
            return None
        observations = tuple(
            Observation(
                self._threshold_indices[at],
                step / n_steps,
                tuple(math.nan if value is None else value for value in values),
            )
            for step, at, *values in trial.user_attrs.get(POINTS, ())
            if at in self._threshold_indices
        )
        return ObservedTraining(
            trial.number,
            configuration,
            observations,
            is_own=PRIOR not in trial.user_attrs,
            margins=trial.user_attrs.get(MARGINS, {}),
        )

"""What was measured of a sweep's trainings, as rows that the surrogate can learn from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from deft_sweeps.objective import METRICS
from deft_sweeps.sampler.front.encoding import Features
from deft_sweeps.sampler.front.kernel import Rows
from deft_sweeps.spec.schema import Start, SweepSpec
from deft_sweeps.study.optuna_study import MARGINS, POINTS, PRIOR
from deft_sweeps.study.parameters import start_of

Floats = NDArray[np.float64]

_LEAST = 1e-4
"""What a logarithm takes for 0."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of one training.

    Attributes:
        at: its place in the ladder of thresholds.
        share: of the training's steps, in (0, 1].
        values: of `study.modelled`, in their own units; nan where one was not measured.
    """

    at: int
    share: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """One training and what was measured of it, rising in steps.

    Attributes:
        own: of this sweep, not of an earlier one.
        margins: by how much `surely` tightens limits there, by the limit's text.
    """

    number: int
    start: Start
    points: tuple[Measured, ...]
    own: bool = True
    margins: Mapping[str, float] = field(default_factory=dict)

    @property
    def final(self) -> tuple[Measured, ...]:
        return tuple(point for point in self.points if point.share == 1.0)

    @property
    def share(self) -> float:
        """How far it got: the share of its steps at which it was last measured, 0 where it never was."""
        return max((point.share for point in self.points), default=0.0)


@dataclass(frozen=True)
class Ladder:
    """The points that every trial of a sweep has, by `Point.at`: thresholds, then percentiles."""

    spec: SweepSpec

    @property
    def names(self) -> tuple[str, ...]:
        evaluation = self.spec.evaluation
        return (*(f"{threshold:g}" for threshold in evaluation.thresholds), *(f"p{share:g}" for share in evaluation.percentiles))

    def known(self, trial: FrozenTrial) -> Known | None:
        """A trial of the study; None where it is of another space."""
        places = {name: i for i, name in enumerate(self.names)}
        try:
            start = start_of(self.spec, trial.params)
            steps = self.spec.config(start).training.steps
        except (KeyError, StopIteration, ValueError):
            return None
        rows = (row for row in trial.user_attrs.get(POINTS, ()) if row[1] in places)
        return Known(
            trial.number,
            start,
            tuple(Measured(places[at], step / steps, tuple(math.nan if v is None else v for v in values)) for step, at, *values in rows),
            own=PRIOR not in trial.user_attrs,
            margins=trial.user_attrs.get(MARGINS, {}),
        )


def kept_rows(trainings: Iterable[Known], limit: int) -> list[tuple[Known, Measured]]:
    """What the model learns from, the first in `trainings` first: the ends of whole trainings, then how far others got."""
    final: list[tuple[Known, Measured]] = []
    last: list[tuple[Known, Measured]] = []
    for training in trainings:
        place = final if training.share == 1.0 else last
        place += [(training, point) for point in training.points if point.share == training.share]
    return [*final, *last][:limit]


def as_rows(features: Features, kept: Sequence[tuple[Known, Measured]], n_ladder: int, common: Floats, own: Floats) -> Rows:
    """The rows' places; trainings are told apart by their number, `common` and `own` are those of `Rows`."""
    of_training = {training.number: training.start for training, _ in kept}
    places = {number: place for place, number in enumerate(of_training)}
    vectors = features.vectors(of_training.values())[[places[training.number] for training, _ in kept]]
    at = np.array([point.at for _, point in kept], dtype=float) / max(1, n_ladder - 1)
    return Rows(vectors, at, np.array([training.number for training, _ in kept], dtype=np.int64), common, own)


def final_rows(features: Features, starts: Sequence[Start], n_ladder: int) -> Rows:
    """Every threshold of a whole new training of each configuration, one configuration after the other."""
    vectors = np.repeat(features.vectors(starts), n_ladder, axis=0)
    at = np.tile(np.arange(n_ladder) / max(1, n_ladder - 1), len(starts))
    return Rows(vectors, at, -1 - np.repeat(np.arange(len(starts)), n_ladder), *np.zeros((2, len(at))))


def to_model(metric: str, values: Floats) -> Floats:
    """A metric as it is modelled: the logarithm of what is to be small, which spans decades; anything else as it is."""
    return np.log(np.maximum(values, _LEAST)) if METRICS[metric].direction == "minimize" else values


def from_model(metric: str, values: Floats) -> Floats:
    """The inverse of `to_model`."""
    return np.exp(values) if METRICS[metric].direction == "minimize" else values

"""What a study knows, as rows that the surrogate can learn from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from deft_sweeps.objective import METRICS
from deft_sweeps.search.features import Features
from deft_sweeps.search.space import start_of
from deft_sweeps.search.study import POINTS
from deft_sweeps.search.surrogate import Rows
from deft_sweeps.spec.schema import Start, SweepSpec

Floats = NDArray[np.float64]

MAX_ROWS = 240
"""Rows that a model learns from at most: its cost grows with their cube."""

_SHARE_SCALE = math.log(27.0)
"""A rung at 1/27 of the steps is at -1."""

_LEAST = 1e-4
"""What a logarithm takes for 0."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of one training.

    Attributes:
        at: its place in the ladder of thresholds.
        share: of the training's steps, in (0, 1].
        values: of `SweepSpec.modelled`, in their own units.
    """

    at: int
    share: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """One training and what was measured of it, rising in steps."""

    number: int
    start: Start
    points: tuple[Measured, ...]

    @property
    def final(self) -> tuple[Measured, ...]:
        return tuple(point for point in self.points if point.share == 1.0)


@dataclass(frozen=True, slots=True)
class History:
    """Finished trainings in the order they finished, and those under way."""

    finished: tuple[Known, ...]
    running: tuple[Known, ...]
    tried: tuple[Start, ...]

    @staticmethod
    def of(spec: SweepSpec, trials: Sequence[FrozenTrial]) -> "History":
        ladder = {name: i for i, name in enumerate(ladder_of(spec))}
        finished, running, tried = [], [], []
        for trial in sorted(trials, key=_order):
            if trial.state == TrialState.WAITING or not trial.params:
                continue
            try:
                start = start_of(spec, trial.params)
            except (KeyError, StopIteration):
                continue
            tried.append(start)
            steps = spec.config(start).training.steps
            points = tuple(
                Measured(ladder[at], step / steps, tuple(values)) for step, at, *values in trial.user_attrs.get(POINTS, ()) if at in ladder
            )
            known = Known(trial.number, start, points)
            if trial.state == TrialState.RUNNING:
                running.append(known)
            elif points:
                finished.append(known)
        return History(tuple(finished), tuple(running), tuple(tried))


def ladder_of(spec: SweepSpec) -> tuple[str, ...]:
    """`Point.at` of every point that a trial of the sweep has, from the densest to the sparsest kind."""
    evaluation = spec.evaluation
    return (*(f"{threshold:g}" for threshold in evaluation.thresholds), *(f"p{share:g}" for share in evaluation.percentiles))


def kept_rows(known: Sequence[Known], limit: int = MAX_ROWS) -> list[tuple[Known, Measured]]:
    """What the model learns from: whole trainings first, then how far others got, then the rungs on the way; the latest trainings where
    there are too many."""
    final, last, earlier = [], [], []
    for training in reversed(known):
        furthest = max((point.share for point in training.points), default=0.0)
        for point in training.points:
            place = final if point.share == 1.0 else last if point.share == furthest else earlier
            place.append((training, point))
    return [*final, *last, *earlier][:limit]


def as_rows(features: Features, kept: Sequence[tuple[Known, Measured]], n_ladder: int) -> Rows:
    """The rows' places; trainings are told apart by their number."""
    vectors = features.vectors(training.start for training, _ in kept)
    at = np.array([point.at for _, point in kept], dtype=float) / max(1, n_ladder - 1)
    share = np.array([max(-1.0, math.log(point.share) / _SHARE_SCALE) for _, point in kept], dtype=float)
    return Rows(vectors, at, share, np.array([training.number for training, _ in kept], dtype=np.int64))


def final_rows(features: Features, starts: Sequence[Start], n_ladder: int) -> Rows:
    """Every threshold of a whole training of each configuration, one configuration after the other."""
    vectors = np.repeat(features.vectors(starts), n_ladder, axis=0)
    at = np.tile(np.arange(n_ladder) / max(1, n_ladder - 1), len(starts))
    return Rows(vectors, at, np.zeros(len(at)), np.full(len(at), -1, dtype=np.int64))


def to_model(metric: str, values: Floats) -> Floats:
    """A metric as it is modelled: the logarithm of what is to be small, which spans decades; anything else as it is."""
    return np.log(np.maximum(values, _LEAST)) if METRICS[metric].direction == "minimize" else values


def from_model(metric: str, values: Floats) -> Floats:
    """The inverse of `to_model`."""
    return np.exp(values) if METRICS[metric].direction == "minimize" else values


def _order(trial: FrozenTrial) -> tuple[float, int]:
    ended = trial.datetime_complete.timestamp() if trial.datetime_complete else math.inf
    return ended, trial.number

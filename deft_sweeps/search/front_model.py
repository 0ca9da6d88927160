"""The model behind the sampler `front`: what a configuration would give at every threshold, and what that is worth.

It learns from every point that was measured, at each threshold and at each rung, also of trials that were stopped early; and it values
a proposal by the hypervolume that all its points together would add to the front, since a trial is trained once and shipped at
whichever threshold is best.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.front import non_dominated
from deft_sweeps.objective import METRICS, Constraint
from deft_sweeps.search.features import Features
from deft_sweeps.search.gain import directions, set_gains
from deft_sweeps.search.known import MAX_ROWS, Known, Ladder, Measured, as_rows, final_rows, from_model, kept_rows, to_model
from deft_sweeps.search.study import modelled
from deft_sweeps.search.surrogate import Hyper, Process, Rows, condition, fit, joined
from deft_sweeps.spec.schema import Start, SweepSpec

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

N_SAMPLES = 32
N_DIRECTIONS = 128
BOLDNESS = 0.5
"""Samples stray from the mean by so many standard deviations where the model's own are 1. Below 1 the search leans towards what it
believes to be good: a sweep ends after some dozen trials, and the surest gains come first."""
REFIT_GROWTH = 1.1
"""Hyperparameters are fitted again whenever there are this many times as many trainings."""


@dataclass(frozen=True)
class Limits:
    """The sweep's limits on what is modelled, with their bounds as numbers; one whose baseline is not known yet is left out."""

    names: tuple[str, ...]
    bounds: tuple[tuple[Constraint, float], ...]

    def kept(self, values: Floats) -> Bools:
        """Which points keep every limit; values of shape (..., metrics), result of shape (...)."""
        kept = np.ones(values.shape[:-1], dtype=bool)
        for limit, bound in self.bounds:
            value = values[..., self.names.index(limit.metric)]
            kept &= (value <= bound) if limit.relation == "<=" else (value >= bound)
        return kept


class FrontModel:
    """Values candidates. Holds nothing but fitted hyperparameters, which follow from the trainings it is shown."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._names = modelled(spec)
        self._features = Features.of(spec)
        self._n_ladder = len(Ladder(spec).names)
        self._hyper: tuple[int, tuple[Hyper, ...]] = (0, ())
        self._turned = [METRICS[name].direction for name in spec.objectives]
        self._signs = np.array([1.0 if direction == "maximize" else -1.0 for direction in self._turned])

    @property
    def features(self) -> Features:
        return self._features

    def gains(self, candidates: Sequence[Start], trained: Sequence[Known], running: Sequence[Known], rng: np.random.Generator) -> Floats:
        """Expected hypervolume gain of each candidate, on a scale of its own, shape (n,).

        Args:
            candidates: to value.
            trained: in the order in which they ended, one whole training at least.
            running: trainings under way, taken to give what is expected of them.
            rng: draws the samples.
        """
        limits = self._limits(trained)
        processes = self._processes(trained)
        points = _values(point for training in trained for point in training.final)
        if running:
            processes, believed = self._believe(processes, running)
            points = np.concatenate([points, believed])
        drawn = self._drawn(processes, candidates, rng)
        whole = np.isfinite(points).all(axis=1)
        inside = points[whole & limits.kept(points)]
        scaled, front = self._scaled(drawn, inside if len(inside) else points[whole])
        # What breaks a limit reaches nowhere.
        scaled[~limits.kept(drawn)] = -1.0
        m = len(self._spec.objectives)
        gains: Floats = set_gains(scaled, front if len(inside) else front[:0], directions(N_DIRECTIONS, m)).mean(axis=1)
        return gains

    def best(self, trained: Sequence[Known]) -> list[Start]:
        """Configurations that have a point on the front."""
        return [training.start for training in trained if training.number in self._owners(trained)]

    def _owners(self, trained: Sequence[Known]) -> set[int]:
        owned = [(training.number, point) for training in trained for point in training.final]
        values = _values(point for _, point in owned).reshape(-1, len(self._names))
        usable = np.isfinite(values).all(axis=1) & self._limits(trained).kept(values)
        places = np.flatnonzero(usable)
        return {owned[places[i]][0] for i in np.flatnonzero(non_dominated(values[usable][:, : len(self._turned)], self._turned))}

    def _limits(self, trained: Sequence[Known]) -> Limits:
        bounds = []
        for limit in self._spec.limits:
            baseline = self._baseline(limit, trained)
            if math.isfinite(baseline):
                bounds.append((limit, baseline + limit.bound.value))
        return Limits(self._names, tuple(bounds))

    def _baseline(self, limit: Constraint, trained: Sequence[Known]) -> float:
        """What the bound is added to: 0, or its metric's value of the best-scoring trial that is such a baseline; nan without one."""
        name = limit.bound.baseline
        if name is None:
            return 0.0
        score, metric = self._names.index("score"), self._names.index(limit.metric)
        of_kind = (t for t in trained if self._spec.by_label[t.start.combination].template.is_baseline(name))
        points = [point.values for training in of_kind for point in training.final if point.at == 0]
        return max(points, key=lambda values: values[score])[metric] if points else math.nan

    def _kept(self, trained: Sequence[Known]) -> list[tuple[Known, Measured]]:
        """Rows to learn from: of trainings on the front, then of the latest; all of them while they are few."""
        latest = list(reversed(trained))
        if sum(len(training.points) for training in latest) > MAX_ROWS:
            owners = self._owners(trained)
            on_front = [training for training in latest if training.number in owners]
            rest = (training for training in latest if training.number not in owners)
            latest = [*on_front[: MAX_ROWS // (2 * self._n_ladder)], *islice(rest, MAX_ROWS)]
        return kept_rows(latest)

    def _processes(self, trained: Sequence[Known]) -> tuple[Process, ...]:
        hypers = self._hypers(trained)
        kept = self._kept(trained)
        return tuple(condition(*self._told(kept, i), self._features.groups, hyper) for i, hyper in enumerate(hypers))

    def _hypers(self, trained: Sequence[Known]) -> tuple[Hyper, ...]:
        n = _milestone(len(trained))
        if self._hyper[0] != n:
            kept = self._kept(trained[:n])
            fitted = (fit(*self._told(kept, i), self._features.groups, self._features.ordered) for i in range(len(self._names)))
            self._hyper = n, tuple(fitted)
        return self._hyper[1]

    def _told(self, kept: Sequence[tuple[Known, Measured]], i: int) -> tuple[Rows, Floats]:
        """Rows and values of the i-th metric, where it was measured."""
        there = [(training, point) for training, point in kept if math.isfinite(point.values[i])]
        values = np.array([point.values[i] for _, point in there])
        return as_rows(self._features, there, self._n_ladder), to_model(self._names[i], values)

    def _believe(self, processes: Sequence[Process], running: Sequence[Known]) -> tuple[tuple[Process, ...], Floats]:
        """The processes as if the trainings under way had given what is expected of them, and those points."""
        asked = final_rows(self._features, [training.start for training in running], self._n_ladder)
        means = [process.predict(asked, self._n_ladder)[0].reshape(-1) for process in processes]
        believed = tuple(joined(process, asked, mean) for process, mean in zip(processes, means, strict=True))
        return believed, np.stack([from_model(name, mean) for name, mean in zip(self._names, means, strict=True)], axis=1)

    def _drawn(self, processes: Sequence[Process], candidates: Sequence[Start], rng: np.random.Generator) -> Floats:
        """Samples of all points of each candidate, shape (candidates, samples, thresholds, metrics)."""
        n_ladder = self._n_ladder
        asked = final_rows(self._features, candidates, n_ladder)
        drawn = np.empty((len(candidates), N_SAMPLES, n_ladder, len(processes)))
        for i, (name, process) in enumerate(zip(self._names, processes, strict=True)):
            mean, covariance = process.predict(asked, n_ladder)
            half = np.linalg.cholesky(covariance + 1e-8 * process.scale**2 * np.eye(n_ladder))
            noise = rng.standard_normal((N_SAMPLES, n_ladder))
            drawn[..., i] = from_model(name, mean[:, None] + BOLDNESS * np.einsum("cij,sj->csi", half, noise, optimize=True))
        return drawn

    def _scaled(self, drawn: Floats, points: Floats) -> tuple[Floats, Floats]:
        """Objectives of what was drawn, and of the front, with 0 at the reference and 1 at the front's best of each.

        The reference is the front's own worst value of each objective, a tenth of the front's range beyond it.
        """
        m = len(self._spec.objectives)
        points, drawn = points[:, :m] * self._signs, drawn[..., :m] * self._signs
        front = points[non_dominated(points, ["maximize"] * m)]
        best, worst = front.max(axis=0), front.min(axis=0)
        spread = np.where(best > worst, best - worst, np.maximum(np.ptp(points, axis=0), 1e-9))
        reference = best - 1.1 * spread
        return (drawn - reference) / spread, (front - reference) / spread


def _values(points: Iterable[Measured]) -> Floats:
    return np.array([point.values for point in points], dtype=np.float64)


def _milestone(n: int) -> int:
    """The largest of 1, 2, 3, ... growing by REFIT_GROWTH that is not above `n`."""
    at = 1
    while (after := max(at + 1, int(at * REFIT_GROWTH))) <= n:
        at = after
    return at

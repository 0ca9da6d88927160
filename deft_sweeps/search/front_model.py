"""The model behind the sampler `front`: what a configuration would give at every threshold, and what that is worth.

It learns from every point that was measured, at each threshold and at each rung, also of trials that were stopped early; and it values
a proposal by the hypervolume that all its points together would add to the front, since a trial is trained once and shipped at
whichever threshold is best.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.front import non_dominated
from deft_sweeps.objective import METRICS, BaselineName, Constraint
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
MOST_KEPT, KEPT = 320, 240
"""Trainings that are remembered at most, and how many are left when that is passed: half of them on the front, the others the latest."""


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
    """Values candidates, from the trainings that it was shown.

    Shown the same in the same order it is the same: nothing depends on when it was asked.
    """

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._names = modelled(spec)
        self._features = Features.of(spec)
        self._n_ladder = len(Ladder(spec).names)
        self._turned = [METRICS[name].direction for name in spec.objectives]
        self._signs = np.array([1.0 if direction == "maximize" else -1.0 for direction in self._turned])
        self._trained: list[Known] = []
        self._n_shown = self._n_whole = 0
        self._baselines: dict[BaselineName, tuple[float, ...]] = {}
        self._to_fit: tuple[Known, ...] = ()
        self._hypers: tuple[Hyper, ...] = ()

    def add(self, known: Known) -> None:
        """Show a training that ended."""
        self._trained.append(known)
        self._n_shown += 1
        self._n_whole += bool(known.final)
        self._note_baselines(known)
        if len(self._trained) > MOST_KEPT:
            owners = self._owners()
            on_front = [training for training in self._trained if training.number in owners][-KEPT // 2 :]
            rest = [training for training in self._trained if training.number not in owners]
            self._trained = sorted([*on_front, *rest[len(on_front) - KEPT :]], key=self._trained.index)
        if _milestone(self._n_shown) == self._n_shown:
            self._to_fit = tuple(self._trained)

    @property
    def n_whole(self) -> int:
        """Trainings that came to their end."""
        return self._n_whole

    @property
    def features(self) -> Features:
        return self._features

    def gains(self, candidates: Sequence[Start], running: Sequence[Known], rng: np.random.Generator) -> Floats:
        """Expected hypervolume gain of each candidate, on a scale of its own, shape (n,).

        Args:
            candidates: to value.
            running: trainings under way, taken to give what is expected of them.
            rng: draws the samples.

        Raises:
            ValueError: no whole training was shown yet.
        """
        if not self._n_whole:
            raise ValueError("a model needs one whole training at least")
        limits = self._limits()
        processes = self._processes()
        own = (point for training in self._trained if training.own for point in training.final)
        found = _values(own).reshape(-1, len(self._names))
        if running:
            processes, believed = self._believe(processes, running)
            found = np.concatenate([found, believed])
        found = found[np.isfinite(found).all(axis=1)]
        drawn = self._drawn(processes, candidates, rng)
        inside = found[limits.kept(found)]
        # Nothing within the limits yet: whatever was found gives the scale, and no front is to be beaten.
        scaled, front = self._scaled(drawn, next(points for points in (inside, found, drawn.reshape(-1, len(self._names))) if len(points)))
        # What breaks a limit reaches nowhere.
        scaled[~limits.kept(drawn)] = -1.0
        m = len(self._spec.objectives)
        gains: Floats = set_gains(scaled, front if len(inside) else front[:0], directions(N_DIRECTIONS, m)).mean(axis=1)
        return gains

    def best(self) -> list[Start]:
        """Configurations that have a point on the front."""
        owners = self._owners()
        return [training.start for training in self._trained if training.number in owners]

    def _owners(self) -> set[int]:
        owned = [(training.number, point) for training in self._trained for point in training.final]
        values = _values(point for _, point in owned).reshape(-1, len(self._names))
        places = np.flatnonzero(np.isfinite(values).all(axis=1) & self._limits().kept(values))
        return {owned[places[i]][0] for i in np.flatnonzero(non_dominated(values[places][:, : len(self._turned)], self._turned))}

    def _limits(self) -> Limits:
        bounds = []
        for limit in self._spec.limits:
            name = limit.bound.baseline
            if name is None:
                bounds.append((limit, limit.bound.value))
            elif name in self._baselines:
                bounds.append((limit, limit.bound.value + self._baselines[name][self._names.index(limit.metric)]))
        return Limits(self._names, tuple(bounds))

    def _note_baselines(self, known: Known) -> None:
        """Remember what the best-scoring trial of each baseline measured without a threshold."""
        template = self._spec.by_label[known.start.combination].template
        for name in {limit.bound.baseline for limit in self._spec.limits if limit.bound.baseline}:
            values = next((point.values for point in known.final if point.at == 0), None)
            if values is not None and known.own and template.is_baseline(name):
                score = self._names.index("score")
                self._baselines[name] = max(values, self._baselines.get(name, values), key=lambda v: v[score])

    def _processes(self) -> tuple[Process, ...]:
        if self._to_fit:
            kept = self._kept(self._to_fit)
            fitted = (fit(*self._told(kept, i), self._features.groups, self._features.ordered) for i in range(len(self._names)))
            self._hypers, self._to_fit = tuple(fitted), ()
        kept = self._kept(self._trained)
        return tuple(condition(*self._told(kept, i), self._features.groups, hyper) for i, hyper in enumerate(self._hypers))

    def _kept(self, trained: Sequence[Known]) -> list[tuple[Known, Measured]]:
        """Rows to learn from: of trainings on the front, then of the latest; all of them while they are few."""
        latest = list(reversed(trained))
        if sum(len(training.points) for training in latest) > MAX_ROWS:
            owners = self._owners()
            on_front = [training for training in latest if training.number in owners]
            rest = [training for training in latest if training.number not in owners]
            n_front = MAX_ROWS // (2 * self._n_ladder)
            latest = [*on_front[:n_front], *rest, *on_front[n_front:]]
        return kept_rows(latest)

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

"""What candidates are expected to add to the front, picked one after the other: each counts on what the ones before it will give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.front import non_dominated
from deft_sweeps.objective import METRICS, Constraint
from deft_sweeps.sampler.front.hypervolume_gain import directions, set_gains
from deft_sweeps.sampler.front.observation import from_model
from deft_sweeps.sampler.front.posterior import Outlook

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

N_SAMPLES = 32
N_DIRECTIONS = 128
BOLDNESS = 0.7
"""Samples stray from the mean by so many standard deviations where the model's own are 1. Below 1 the search leans towards what it
believes to be good: a sweep ends after some dozen trials, and the surest gains come first. With half, one of six searches on a front in
pieces kept polishing what it had; with the whole, some on a front of one piece were slower."""
SHORTLIST = 3
"""Candidates that are looked at again for each pick, where several are made."""
_LOOKED_AT = 16
"""Candidates that are valued at once after a pick."""


@dataclass(frozen=True)
class Goal:
    """The objectives, and the sweep's limits on what is modelled, with their bounds as numbers, `surely` in them; one whose baseline is not
    known yet is left out.

    Attributes:
        names: of `study.modelled`: the objectives first.
    """

    names: tuple[str, ...]
    n_objectives: int
    bounds: tuple[tuple[Constraint, float], ...]

    @property
    def signs(self) -> Floats:
        """1 for an objective that is to be large, -1 for one that is to be small."""
        return np.array([1.0 if METRICS[name].direction == "maximize" else -1.0 for name in self.names[: self.n_objectives]])

    def kept(self, values: Floats) -> Bools:
        """Which points keep every limit; values of shape (..., metrics), result of shape (...)."""
        kept = np.ones(values.shape[:-1], dtype=bool)
        for limit, bound in self.bounds:
            value = values[..., self.names.index(limit.metric)]
            kept &= (value <= bound) if limit.relation == "<=" else (value >= bound)
        return kept

    def on_front(self, values: Floats) -> Bools:
        """Which of the points, shape (n, metrics), nothing dominates."""
        return non_dominated(values[:, : self.n_objectives] * self.signs, ["maximize"] * self.n_objectives)


class Prospects:
    """Candidates' expected gains of hypervolume, on a scale of their own: 0 at the reference and 1 at the front's best of each objective.

    The reference is the front's own worst value of each objective, a tenth of the front's range beyond it.

    Args:
        goal: what counts.
        outlooks: of each metric; changed when something is picked.
        found: points that are known or taken for known, finite, shape (n, metrics).
        rng: draws the samples, the same for every candidate.
    """

    def __init__(self, goal: Goal, outlooks: Sequence[Outlook], found: Floats, rng: np.random.Generator) -> None:
        self._goal, self._outlooks = goal, outlooks
        self._normal = [rng.standard_normal((N_SAMPLES, outlook.n_each)) for outlook in outlooks]
        every = np.arange(len(outlooks[0].means))
        drawn = self._drawn(every)
        inside = found[goal.kept(found)]
        # Nothing within the limits yet: whatever was found gives the scale, and no front is to be beaten.
        points = next(points for points in (inside, found, drawn.reshape(-1, len(goal.names))) if len(points))
        points = points[:, : goal.n_objectives] * goal.signs
        front = points[non_dominated(points, ["maximize"] * goal.n_objectives)]
        best, worst = front.max(axis=0), front.min(axis=0)
        self._spread = np.where(best > worst, best - worst, np.maximum(np.ptp(points, axis=0), 1e-9))
        self._reference = best - 1.1 * self._spread
        self._front = (front - self._reference) / self._spread if len(inside) else np.empty((0, goal.n_objectives))
        self._towards = directions(N_DIRECTIONS, goal.n_objectives)
        self.gains = self._valued(drawn)

    def pick(self, n: int) -> list[int]:
        """The best candidate, then the best given that the first gives what is expected of it, and so on; at most `n` of them. Of more
        than one, only the SHORTLIST x n candidates that gain the most by themselves are looked at again. To be called once."""
        if n == 1:
            return [int(np.argmax(self.gains))]
        listed = np.argsort(-self.gains, kind="stable")[: SHORTLIST * n]
        self._outlooks = [outlook.only(listed) for outlook in self._outlooks]
        bounds = self.gains[listed]
        picked = [0]
        while len(picked) < min(n, len(listed)):
            bounds[picked[-1]] = -np.inf
            self._believe(picked[-1])
            picked.append(self._still_best(bounds))
        return [int(i) for i in listed[picked]]

    def _still_best(self, bounds: Floats) -> int:
        """The best candidate now. Gains only fall as more is believed, so those whose earlier gain is behind need not be looked at."""
        fresh = np.zeros(len(bounds), dtype=bool)
        while not fresh[best := int(np.argmax(bounds))]:
            stale = np.flatnonzero(~fresh & np.isfinite(bounds))
            looked_at = stale[np.argsort(-bounds[stale], kind="stable")[:_LOOKED_AT]]
            bounds[looked_at] = self._valued(self._drawn(looked_at))
            fresh[looked_at] = True
        return best

    def _believe(self, i: int) -> None:
        means = [from_model(name, outlook.mean[i]) for name, outlook in zip(self._goal.names, self._outlooks, strict=True)]
        points = np.stack(means, axis=1)
        inside = points[self._goal.kept(points)][:, : self._goal.n_objectives] * self._goal.signs
        self._front = np.concatenate([self._front, (inside - self._reference) / self._spread])
        for outlook in self._outlooks:
            outlook.believe(i)

    def _drawn(self, which: NDArray[np.int64]) -> Floats:
        """Samples of all points of these candidates, shape (candidates, samples, thresholds, metrics)."""
        n_each = self._outlooks[0].n_each
        drawn = np.empty((len(which), N_SAMPLES, n_each, len(self._outlooks)))
        for i, (name, outlook, normal) in enumerate(zip(self._goal.names, self._outlooks, self._normal, strict=True)):
            covariance = outlook.covariances[which] + 1e-8 * np.eye(n_each)
            strayed = outlook.process.scale * BOLDNESS * np.einsum("cij,sj->csi", np.linalg.cholesky(covariance), normal, optimize=True)
            drawn[..., i] = from_model(name, outlook.mean[which][:, None] + strayed)
        return drawn

    def _valued(self, drawn: Floats) -> Floats:
        scaled = (drawn[..., : self._goal.n_objectives] * self._goal.signs - self._reference) / self._spread
        # What breaks a limit reaches nowhere.
        scaled[~self._goal.kept(drawn)] = -1.0
        gains: Floats = set_gains(scaled, self._front, self._towards).mean(axis=1)
        return gains

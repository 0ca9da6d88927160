"""The acquisition: the expected gain of hypervolume of a candidate, all of its points together.

As qEHVI (Daulton, Balandat and Bakshy, Differentiable Expected Hypervolume Improvement for Parallel
Multi-Objective Bayesian Optimization, arXiv:2006.05078) it averages over samples of the joint
posterior, and a batch is selected greedily. Unlike there, the points that are valued together are
one candidate's at all thresholds, and the hypervolume is taken by random scalarisations.
"""

from collections.abc import Sequence

import numpy as np

from deft_sweeps.front import non_dominated
from deft_sweeps.sampler.front.array_type import Bools, Floats, Ints
from deft_sweeps.sampler.front.hypervolume_gain import directions, hypervolume_gains
from deft_sweeps.sampler.front.metric_scale import from_model_scale
from deft_sweeps.sampler.front.posterior import CandidatePosterior
from deft_sweeps.sampler.front.search_goal import Goal

N_SAMPLES = 32
N_DIRECTIONS = 128
EXPLORATION = 0.7
"""Factor on the standard deviation of the samples. Below 1 the search prefers what the model
believes to be good: a sweep ends after some dozen trials. `benchmarks/README.md` has the
comparison with 0.5 and 1."""
SHORTLIST_FACTOR = 3
"""Candidates per selected one whose values are computed again while a batch is selected."""
REFERENCE_MARGIN = 1.1
"""The reference point lies at this multiple of the front's range below its best values."""
_N_RECOMPUTED = 16
"""Candidates whose values are computed again at once."""
_JITTER = 1e-8
_OUTSIDE = -1.0
"""Scaled value of a point that breaks a limit: below the reference, so it contributes nothing."""


class Acquisition:
    """Values candidates, and selects a batch of them.

    Hypervolume is taken on a scale of its own: in each objective 0 at the reference point and 1 at
    the front's best value.

    Args:
        goal: objectives and limits.
        posteriors: of each modelled metric; `select_batch` changes them.
        observed: points that are observed, or assumed of running trainings, shape (n, metrics).
        rng: draws the samples; all candidates share the same ones.
    """

    def __init__(
        self,
        goal: Goal,
        posteriors: Sequence[CandidatePosterior],
        observed: Floats,
        rng: np.random.Generator,
    ) -> None:
        self._goal, self._posteriors = goal, posteriors
        self._normal = [rng.standard_normal((N_SAMPLES, p.n_thresholds)) for p in posteriors]
        samples = self._sample(np.arange(len(posteriors[0].means)))
        feasible = observed[goal.is_feasible(observed)]
        # Without a feasible point there is no front to exceed, and the scale is that of whatever
        # points there are.
        every_sample = samples.reshape(-1, len(goal.names))
        points = next(points for points in (feasible, observed, every_sample) if len(points))
        points = points[:, : goal.n_objectives] * goal.signs
        front = points[non_dominated(points, ["maximize"] * goal.n_objectives)]
        best, worst = front.max(axis=0), front.min(axis=0)
        no_range = np.maximum(np.ptp(points, axis=0), 1e-9)
        self._range = np.where(best > worst, best - worst, no_range)
        self._reference = best - REFERENCE_MARGIN * self._range
        self._front = np.empty((0, goal.n_objectives))
        if len(feasible):
            self._front = (front - self._reference) / self._range
        self._directions = directions(N_DIRECTIONS, goal.n_objectives)
        self.values = self._expected_gains(samples)

    def select_batch(self, n: int) -> list[int]:
        """Selects at most `n` candidates, to be called once.

        The first has the highest value; each further one has the highest value given that those
        before it give their posterior means. Only SHORTLIST_FACTOR x n candidates with the highest
        values are considered.
        """
        if n == 1:
            return [int(np.argmax(self.values))]
        shortlist = np.argsort(-self.values, kind="stable")[: SHORTLIST_FACTOR * n]
        self._posteriors = [posterior.select(shortlist) for posterior in self._posteriors]
        bounds = self.values[shortlist]
        batch = [0]
        while len(batch) < min(n, len(shortlist)):
            bounds[batch[-1]] = -np.inf
            self._fantasize(batch[-1])
            batch.append(self._argmax(bounds))
        return [int(i) for i in shortlist[batch]]

    def _argmax(self, bounds: Floats) -> int:
        """The candidate with the highest value now; updates `bounds` where values are computed.

        Values only fall as points are fantasised, so an earlier value is an upper bound: candidates
        whose bound is below the best current value need no computation.
        """
        is_current: Bools = np.zeros(len(bounds), dtype=bool)
        while not is_current[best := int(np.argmax(bounds))]:
            outdated = np.flatnonzero(~is_current & np.isfinite(bounds))
            highest = outdated[np.argsort(-bounds[outdated], kind="stable")[:_N_RECOMPUTED]]
            bounds[highest] = self._expected_gains(self._sample(highest))
            is_current[highest] = True
        return best

    def _fantasize(self, i: int) -> None:
        """Assumes that candidate i gives its posterior means."""
        means = [
            from_model_scale(name, posterior.mean[i])
            for name, posterior in zip(self._goal.names, self._posteriors, strict=True)
        ]
        points = np.stack(means, axis=1)
        feasible = points[self._goal.is_feasible(points)][:, : self._goal.n_objectives]
        scaled = (feasible * self._goal.signs - self._reference) / self._range
        self._front = np.concatenate([self._front, scaled])
        for posterior in self._posteriors:
            posterior.fantasize(i)

    def _sample(self, candidates: Ints) -> Floats:
        """Samples of all points of candidates, shape (candidates, samples, T, metrics)."""
        n_thresholds = self._posteriors[0].n_thresholds
        samples = np.empty((len(candidates), N_SAMPLES, n_thresholds, len(self._posteriors)))
        metrics = zip(self._goal.names, self._posteriors, self._normal, strict=True)
        for i, (name, posterior, normal) in enumerate(metrics):
            covariance = posterior.covariances[candidates] + _JITTER * np.eye(n_thresholds)
            factor = np.linalg.cholesky(covariance)
            deviation = np.einsum("cij,sj->csi", factor, normal, optimize=True)
            scaled = posterior.process.scale * EXPLORATION * deviation
            samples[..., i] = from_model_scale(name, posterior.mean[candidates][:, None] + scaled)
        return samples

    def _expected_gains(self, samples: Floats) -> Floats:
        """Mean gain of hypervolume over samples, shape (candidates,)."""
        objectives = samples[..., : self._goal.n_objectives] * self._goal.signs
        scaled = (objectives - self._reference) / self._range
        scaled[~self._goal.is_feasible(samples)] = _OUTSIDE
        gains = hypervolume_gains(scaled, self._front, self._directions)
        expected: Floats = gains.mean(axis=1)
        return expected

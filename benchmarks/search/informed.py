"""A yardstick for searchers of a table. It is no searcher: it has information that none can have.

It knows the model that predicts the table's truth (`mixed_model`), with the variances fitted to the
whole table, the noise, the overall mean, and the reference point of the true front's hypervolume.
It does not know the values: it observes noisy trainings, as many at a time as any searcher. It
trains the configuration with the largest expected gain in hypervolume, which is a good choice but
need not be the best.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from benchmarks.search.measure import truths_of
from benchmarks.search.problem import Floats
from benchmarks.search.simulate import Proposal
from benchmarks.search.table import Table, log_curve
from deft_sweeps.result import Point
from deft_sweeps.sampler.front.hypervolume_gain import directions, hypervolume_gains

N_START = 3
N_SAMPLES = 64
N_DIRECTIONS = 128
VAGUE = 4.0
"""Prior variance of the common mean, relative to that of the configurations.

Without it the first noisy trainings are attributed to everything but luck."""


@dataclass
class InformedArm:
    """Proposes each configuration at most once. The table's objectives must be score and density.

    Attributes:
        seen: values of the trainings, shape (thresholds, 3), by the configuration's place in the
            table.
    """

    table: Table
    seed: int
    seen: dict[int, Floats] = field(default_factory=dict)
    running: dict[int, int] = field(default_factory=dict)
    n_asked: int = 0

    def ask(self) -> Proposal | None:
        taken = [*self.seen, *self.running.values()]
        untried = np.array([i for i in range(len(self.table.configs)) if i not in taken])
        if not len(untried):
            return None
        rng = np.random.default_rng([self.seed, self.n_asked])
        number, self.n_asked = self.n_asked, self.n_asked + 1
        pick = (
            int(rng.choice(untried))
            if len(self.seen) < N_START
            else int(untried[np.argmax(self._gains(untried, rng))])
        )
        self.running[number] = pick
        return Proposal(number, self.table.configs[pick], self.table.spec.trial_seed)

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        """Lets every trial continue."""
        return True

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        place = self.running.pop(number)
        if points is not None:
            self.seen[place] = log_curve(points)

    def close(self) -> None:
        """Nothing is open."""

    def _gains(self, candidates: np.ndarray, rng: np.random.Generator) -> Floats:
        """Expected gain in volume of each candidate, shape (n,).

        Running trials count with their expected values.
        """
        trained, under_way = list(self.seen), list(self.running.values())
        observed = np.array([self.seen[i] for i in trained])
        if under_way:
            observed = np.concatenate([observed, self.posterior(trained, observed)[0][under_way]])
        mean, deviation = self.posterior([*trained, *under_way], observed)
        front = self._scaled(mean[[*trained, *under_way]]).reshape(-1, 2)
        drawn = mean[candidates, None] + deviation[candidates, None] * rng.standard_normal(
            (1, N_SAMPLES, *mean.shape[1:])
        )
        gains: Floats = hypervolume_gains(
            self._scaled(drawn), front[np.all(front > 0, axis=1)], directions(N_DIRECTIONS, 2)
        ).mean(axis=1)
        return gains

    def posterior(self, trained: list[int], observed: Floats) -> tuple[Floats, Floats]:
        """Posterior means and standard deviations, each of shape (configurations, thresholds, 3).

        Args:
            trained: places of the trained configurations.
            observed: their values, shape (trained, thresholds, 3).
        """
        centre = self._centre
        mean = np.broadcast_to(centre, (len(self.table.configs), *centre.shape)).copy()
        deviation = np.zeros_like(mean)
        for at in np.ndindex(centre.shape):
            covariance, noise = self._covariances[at], self._noise[at]
            if covariance[0, 0] > 0:
                half = np.linalg.solve(
                    covariance[np.ix_(trained, trained)] + noise * np.eye(len(trained)),
                    covariance[trained],
                )
                mean[:, *at] = centre[at] + half.T @ (observed[:, *at] - centre[at])
                variance = np.diag(covariance) - np.einsum("ni,ni->i", covariance[trained], half)
                deviation[:, *at] = np.sqrt(np.maximum(variance, 0.0))
        return mean, deviation

    def _scaled(self, curves: Floats) -> Floats:
        """Score and density as distances from the reference point, shape (..., thresholds, 2).

        The true front's best value is 1.
        """
        density = np.exp(curves[..., 1])
        if self._has_decoder:
            density = (density + np.exp(curves[..., 2])) / 2
        return (
            np.stack([curves[..., 0], -np.minimum(density, 1.0)], axis=-1) - self._reference
        ) / self._spread

    @cached_property
    def _has_decoder(self) -> bool:
        table = self.table
        return bool(
            table.curve(table.configs[0], table.spec.trial_seed, table.rungs[-1])[
                0
            ].density.decoder_blocks
        )

    @cached_property
    def _reference(self) -> Floats:
        reference: Floats = truths_of(self.table)[0].reference * np.array([1.0, -1.0])
        return reference

    @cached_property
    def _spread(self) -> Floats:
        spread: Floats = (truths_of(self.table)[0].front * np.array([1.0, -1.0])).max(
            axis=0
        ) - self._reference
        return spread

    @cached_property
    def _centre(self) -> Floats:
        centre: Floats = np.mean(
            [self.table.means[config.config_id][-1] for config in self.table.configs], axis=0
        )
        return centre

    @cached_property
    def _covariances(self) -> Floats:
        effects = self.table.effects
        vague = VAGUE * np.trace(effects, axis1=-2, axis2=-1)[..., None, None] / effects.shape[-1]
        total: Floats = effects + vague
        return total

    @cached_property
    def _noise(self) -> Floats:
        """Slightly enlarged: a value without any noise would make the covariance singular."""
        noise = self.table.noise
        return np.full(self._centre.shape, 1e-9) if noise is None else noise[-1] + 1e-9

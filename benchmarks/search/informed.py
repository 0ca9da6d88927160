"""A yardstick for searchers of a table, not one of them: it knows what no searcher can know.

It is told the model by which the table's truth is predicted (`mixed_model`), with the variances
that were fitted to all of the table, the noise, the mean of all, and the reference of the true
front's volume. What it has to find out is the values alone, as any searcher does: by trainings with
their noise, as many at a time. It trains whatever is expected to add the most volume, which is good
and need not be best.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from benchmarks.search.measure import truths_of
from benchmarks.search.problem import Floats
from benchmarks.search.simulate import Asked
from benchmarks.search.table import Table, log_curve
from deft_sweeps.result import Point
from deft_sweeps.sampler.front.hypervolume_gain import directions, hypervolume_gains

N_START = 3
N_SAMPLES = 64
N_DIRECTIONS = 128
VAGUE = 4.0
"""Variance of the common mean about what it is told, in parts of that of the configurations:
without, the first noisy trainings are explained by everything but luck."""


@dataclass
class InformedArm:
    """Never proposes a configuration twice. The table's objectives must be score and density.

    Attributes:
        seen: by configuration's place in the table, what its training gave, shape (thresholds, 3).
    """

    table: Table
    seed: int
    seen: dict[int, Floats] = field(default_factory=dict)
    running: dict[int, int] = field(default_factory=dict)
    n_asked: int = 0

    def ask(self) -> Asked | None:
        taken = [*self.seen, *self.running.values()]
        left = np.array([i for i in range(len(self.table.configs)) if i not in taken])
        if not len(left):
            return None
        rng = np.random.default_rng([self.seed, self.n_asked])
        number, self.n_asked = self.n_asked, self.n_asked + 1
        pick = (
            int(rng.choice(left))
            if len(self.seen) < N_START
            else int(left[np.argmax(self._gains(left, rng))])
        )
        self.running[number] = pick
        return Asked(number, self.table.configs[pick], self.table.spec.trial_seed)

    def rung(self, number: int, step: int, points: tuple[Point, ...]) -> bool:
        """Every trial goes on."""
        return True

    def tell(self, number: int, points: tuple[Point, ...] | None) -> None:
        place = self.running.pop(number)
        if points is not None:
            self.seen[place] = log_curve(points)

    def close(self) -> None:
        """Nothing is open."""

    def _gains(self, left: np.ndarray, rng: np.random.Generator) -> Floats:
        """Expected volume that each would add, shape (n,); those under way are taken to give what
        is expected of them.
        """
        known, under_way = list(self.seen), list(self.running.values())
        told = np.array([self.seen[i] for i in known])
        if under_way:
            told = np.concatenate([told, self.believed(known, told)[0][under_way]])
        mean, deviation = self.believed([*known, *under_way], told)
        front = self._scaled(mean[[*known, *under_way]]).reshape(-1, 2)
        drawn = mean[left, None] + deviation[left, None] * rng.standard_normal(
            (1, N_SAMPLES, *mean.shape[1:])
        )
        gains: Floats = hypervolume_gains(
            self._scaled(drawn), front[np.all(front > 0, axis=1)], directions(N_DIRECTIONS, 2)
        ).mean(axis=1)
        return gains

    def believed(self, known: list[int], told: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of every configuration, shape (configurations, thresholds,
        3), given what some trainings gave.
        """
        centre = self._centre
        mean = np.broadcast_to(centre, (len(self.table.configs), *centre.shape)).copy()
        deviation = np.zeros_like(mean)
        for at in np.ndindex(centre.shape):
            covariance, noise = self._covariances[at], self._noise[at]
            if covariance[0, 0] > 0:
                half = np.linalg.solve(
                    covariance[np.ix_(known, known)] + noise * np.eye(len(known)), covariance[known]
                )
                mean[:, *at] = centre[at] + half.T @ (told[:, *at] - centre[at])
                left = np.diag(covariance) - np.einsum("ni,ni->i", covariance[known], half)
                deviation[:, *at] = np.sqrt(np.maximum(left, 0.0))
        return mean, deviation

    def _scaled(self, curves: Floats) -> Floats:
        """Score and density as distances from the reference, 1 at the true front's best, shape
        (..., thresholds, 2).
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
        found: Floats = np.mean(
            [self.table.means[config.config_id][-1] for config in self.table.configs], axis=0
        )
        return found

    @cached_property
    def _covariances(self) -> Floats:
        effects = self.table.effects
        vague = VAGUE * np.trace(effects, axis1=-2, axis2=-1)[..., None, None] / effects.shape[-1]
        total: Floats = effects + vague
        return total

    @cached_property
    def _noise(self) -> Floats:
        """With a little more, so that what does not differ at all can be told too."""
        noise = self.table.noise
        return np.full(self._centre.shape, 1e-9) if noise is None else noise[-1] + 1e-9

"""The noise of measured points: of training with another seed, and of other validation examples.

Both noises draw joint deviations of all points. Losses and values share them up to the sign, so
everything here is in the objectives' own units and directions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.outcomes import ExampleScores, mean_scores
from deft_sweeps.statistics.seed_mean import t_quantile

Floats = NDArray[np.float64]
Places = NDArray[np.int64] | None
Draw = Callable[[int, np.random.Generator], Floats]
"""Draws so many joint deviations; shape (draws, points, m)."""

_SAME_SCORE = 1e-6
"""Difference from which a score is no mean of its examples' scores."""

REACH = 4.0
"""Normal deviations that a point may gain; for a t distribution, the quantile that is exceeded as
rarely."""


@dataclass(frozen=True, slots=True)
class NoisyPoint:
    """A configuration at one threshold.

    Attributes:
        config_id: points of one configuration move together.
        at: name of the threshold, `Point.at`.
        mean: the objectives, of several seeds their means, shape (m,).
        seeds: with several seeds, trial_id and objectives of each; otherwise empty.
        example_scores: of each seed, packed: thousands of points would not fit into memory
            otherwise.
        score: the score itself, to be compared with the mean of `scores`.
        score_error: standard error of the score over examples.
        n_examples: that the score was taken over.
    """

    config_id: str
    at: str
    mean: Floats
    seeds: tuple[tuple[str, Floats], ...]
    example_scores: tuple[ExampleScores, ...]
    score: float
    score_error: float
    n_examples: int

    @property
    def n_seeds(self) -> int:
        """Number of trainings behind it, at least 1."""
        return len(self.seeds) or 1

    @property
    def n_scores(self) -> int:
        """Number of `scores`."""
        counts = {len(scores) for scores in self.example_scores}
        return counts.pop() if len(counts) == 1 else 0

    @property
    def scores(self) -> Floats:
        """Of the single examples, a mean over the seeds, shape (n,); empty if the score is no mean
        over examples.
        """
        return mean_scores(self.example_scores)


class SeedNoise:
    """Draws of the means over seeds, jointly for the thresholds of a configuration.

    The covariance of any thresholds is that of the residuals of all repeated trials: a product of a
    matrix with itself. Its triangular factor comes from a QR decomposition, so nothing is inverted
    even if it is singular.

    Args:
        repeated: points whose seeds tell of the noise.
        pool: points that are drawn.
        m: number of objectives.
    """

    def __init__(self, repeated: Sequence[NoisyPoint], pool: Sequence[NoisyPoint], m: int) -> None:
        self._pool, self._m = pool, m
        several = [point for point in repeated if point.seeds]
        self.n_repeated = len({point.config_id for point in several})
        self._freedom: dict[str, int] = {}
        for point in several:
            self._freedom[point.at] = self._freedom.get(point.at, 0) + point.n_seeds - 1
        self.freedom = max(self._freedom.values(), default=0)
        self._residuals = _residuals(several, self._freedom, m)
        # At a threshold where nothing was repeated, the noise is that of the others on average.
        n_rows = max((len(table) for table in self._residuals.values()), default=0)
        total = sum(self._residuals.values(), np.zeros((n_rows, m)))
        self._elsewhere = total / max(1, len(self._residuals))

    @property
    def is_estimated(self) -> bool:
        """Whether some seeds differ: the spread of a few that are equal by chance is no
        estimate.
        """
        return any(table.any() for table in self._residuals.values())

    @property
    def why_not(self) -> str:
        """Why it is not estimated, a clause."""
        if not self.n_repeated:
            return "No configuration has a second seed"
        return (
            f"The seeds of the {self.n_repeated} configuration(s) that have several do not differ"
            f" ({self.freedom} degrees of freedom)"
        )

    def largest_moves(self) -> Floats:
        """How far each point's means may move, shape (n, m)."""
        central = math.erf(REACH / math.sqrt(2))
        rows = [
            t_quantile(central, self._degrees(point))
            * np.sqrt((self._loads(point) ** 2).sum(axis=0))
            for point in self._pool
        ]
        return np.array(rows)

    def sampler(self, chosen: Sequence[int] | np.ndarray) -> Draw:
        """Draws deviations of the points of the pool with these indices."""
        groups: dict[str, list[int]] = {}
        for place, i in enumerate(chosen):
            groups.setdefault(self._pool[i].config_id, []).append(place)
        factors = [
            _factor(np.hstack([self._loads(self._pool[chosen[p]]) for p in places]))
            for places in groups.values()
        ]
        degrees = np.array([self._degrees(self._pool[i]) for i in chosen])
        steps, which = np.unique(degrees, return_inverse=True)

        def draw(n: int, rng: np.random.Generator) -> Floats:
            piece = np.zeros((n, len(chosen), self._m))
            for places, (factor, column) in zip(groups.values(), factors, strict=True):
                moved = (rng.standard_normal((n, len(factor))) @ factor)[:, column]
                piece[:, places] = moved.reshape(n, len(places), self._m)
            # One estimate serves all points, so all are off by it together; a threshold with fewer
            # seeds shares a part of the others'.
            squares = rng.chisquare(np.diff(steps, prepend=0), (n, len(steps)))
            scale: Floats = np.cumsum(squares, axis=1) / steps
            stretch: Floats = 1 / np.sqrt(scale)
            return piece * stretch[:, which, None]

        return draw

    def _loads(self, point: NoisyPoint) -> Floats:
        loads: Floats = self._residuals.get(point.at, self._elsewhere) / math.sqrt(point.n_seeds)
        return loads

    def _degrees(self, point: NoisyPoint) -> int:
        return self._freedom.get(point.at, min(self._freedom.values()))


def _residuals(several: Sequence[NoisyPoint], freedom: dict[str, int], m: int) -> dict[str, Floats]:
    """By threshold, each repeated trial's deviation from its configuration's mean, scaled so that
    the table's product with itself is the covariance; shape (repeated trials, m).
    """
    rows: dict[str, int] = {}
    for point in several:
        for trial_id, _ in point.seeds:
            rows.setdefault(trial_id, len(rows))
    tables: dict[str, Floats] = {}
    for point in several:
        table = tables.setdefault(point.at, np.zeros((len(rows), m)))
        for trial_id, values in point.seeds:
            off = values - point.mean
            # The mean of equal values is rounded: that is no noise.
            off = np.where(np.abs(off) > 1e-12 * np.abs(point.mean), off, 0.0)
            table[rows[trial_id]] = off / math.sqrt(freedom[point.at])
    return tables


class ExampleNoise:
    """Draws of the scores as means over validation examples, the same examples for all points.

    Args:
        pool: points that are drawn.
        m: number of objectives.
        column: of the score among the objectives; None if it is no objective.
    """

    def __init__(self, pool: Sequence[NoisyPoint], m: int, column: int | None) -> None:
        self._pool, self._m, self._column = pool, m, column
        lengths = [point.n_scores for point in pool]
        self.n = max(set(lengths), key=lengths.count, default=0)
        self._errors = np.array([point.score_error for point in pool])

    @property
    def is_estimated(self) -> bool:
        """Whether the score is an objective and has a standard error."""
        return self._column is not None and bool(np.any(self._errors > 0))

    @property
    def n_examples(self) -> int:
        """Validation examples that are drawn again."""
        return self.n or max(point.n_examples for point in self._pool)

    def largest_moves(self) -> Floats:
        """How far each point's values may move, shape (n, m); only the score does."""
        moved = np.zeros((len(self._pool), self._m))
        moved[:, self._column] = REACH * self._errors
        return moved

    def sampler(self, chosen: Sequence[int] | np.ndarray) -> Draw:
        """Draws deviations of the points of the pool with these indices."""
        points = [self._pool[i] for i in chosen]
        paired, loads, column = self._loads(points)
        alone = self._errors[chosen][~paired]

        def draw(n: int, rng: np.random.Generator) -> Floats:
            piece = np.zeros((n, len(points), self._m))
            together = rng.standard_normal((n, self.n)).astype(loads.dtype) @ loads
            piece[:, paired, self._column] = together if column is None else together[:, column]
            piece[:, ~paired, self._column] = rng.standard_normal((n, len(alone))) * alone
            return piece

        return draw

    def _loads(
        self, points: Sequence[NoisyPoint]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], Places]:
        """Which points move with the examples, and what they load on each example.

        Returns:
            Whether each point's score is the mean of `n` examples' scores, as F1 is not; the loads
            of the distinct ones among those, shape (n, distinct); and which of them each one is,
            None if all are distinct.
        """
        paired = np.zeros(len(points), dtype=bool)
        places: dict[bytes, int] = {}
        column: list[int] = []
        table = np.empty((len(points), self.n))
        for i, point in enumerate(points):
            if self.n > 1 and point.n_scores == self.n:
                scores = point.scores
                # Equal rows that are multiplied apart may be rounded apart, and one point would
                # then dominate another that equals it.
                if abs(float(scores.mean()) - point.score) < _SAME_SCORE:
                    paired[i] = True
                    column.append(places.setdefault(scores.tobytes(), len(places)))
                    table[column[-1]] = scores
        table = table[: len(places)]
        table -= table.sum(axis=1, keepdims=True) / max(1, self.n)
        table /= math.sqrt(max(1, self.n * (self.n - 1)))
        # Single precision takes half of the time and memory, and rounds by far less than a draw.
        loads = table.T.astype(np.float32)
        return paired, loads, None if len(places) == len(column) else np.array(column)


def _factor(loads: Floats) -> tuple[Floats, np.ndarray]:
    """An upper factor of the distinct columns' covariance `loads.T @ loads`, and which of them each
    column is.
    """
    distinct, column = _distinct(loads.T)
    return np.linalg.qr(distinct.T).R, column


def _distinct(rows: Floats) -> tuple[Floats, np.ndarray]:
    """The distinct rows, and which of them each row is.

    Equal rows that are multiplied apart may be rounded apart, and one point would then dominate
    another that equals it.
    """
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    return distinct, which.reshape(-1)

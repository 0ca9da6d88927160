"""The difference of two scores over the same held-out examples, with an interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from deft_sweeps.result import Point
from deft_sweeps.statistics.bootstrap import N_RESAMPLES, resampled_differences

Z_95 = 1.959963984540054
"""Half-width of a 95 % interval in standard errors, normal approximation."""

Method = Literal["mean", "bootstrap"]

METHODS: dict[Method, str] = {
    "mean": "mean of paired per-example differences, normal approximation",
    "bootstrap": (
        f"{N_RESAMPLES:,} seeded bootstrap resamples of the examples, the same for both, from the"
        " 2.5th to the 97.5th percentile"
    ),
}
"""How an interval is taken: of a score that is a mean over examples, and of any other."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference of two scores over the same examples.

    Attributes:
        value: in units of the score.
        standard_error: of `value`: from the spread of the differences by example, or over the
            resamples.
        low, high: 95 % interval, see METHODS. It speaks of other examples, not of training again
            with another seed.
        n_examples: that both were measured on.
    """

    value: float
    standard_error: float
    low: float
    high: float
    n_examples: int
    method: Method = "mean"

    @property
    def how(self) -> str:
        """The method in a few words."""
        resampled = f", {N_RESAMPLES:,} bootstrap resamples" if self.method == "bootstrap" else ""
        return f"paired by example{resampled}"


def paired_difference(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray
) -> PairedDifference | None:
    """Mean of first - second over the same examples.

    Returns:
        None if they cannot be paired: fewer than two, or not equally many.
    """
    if len(first) != len(second) or len(first) < 2:
        return None
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    value = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    low, high = value - Z_95 * error, value + Z_95 * error
    return PairedDifference(value, error, low, high, len(differences))


def score_difference(first: Point, *others: tuple[float, Point]) -> PairedDifference | None:
    """Score of `first` minus the weighted sum of the others' scores, over the same examples.

    A mean of per-example scores is paired by example; F1 and the correlations are resampled.

    Args:
        first: one point.
        others: weight and point of each; the weights add up to 1.

    Returns:
        None if the examples cannot be paired: they differ as far as can be told, or nothing of
        single examples is stored.
    """
    return _weighted_sum([(1.0, first), *((-weight, point) for weight, point in others)])


def mean_difference(first: Sequence[Point], second: Sequence[Point]) -> PairedDifference | None:
    """Mean score over the seeds of one configuration minus that of another, over the same examples.

    Paired as `score_difference` is.

    Args:
        first: points of the one, one a seed, at least one.
        second: points of the other, likewise.
    """
    terms = [(1 / len(first), point) for point in first]
    return _weighted_sum([*terms, *((-1 / len(second), point) for point in second)])


def _weighted_sum(terms: Sequence[tuple[float, Point]]) -> PairedDifference | None:
    points = [point for _, point in terms]
    n, metric = len(points[0].example_scores), points[0].score.metric
    if n:
        if any(len(point.example_scores) != n for point in points):
            return None
        summed = sum(
            (weight * point.example_scores.array() for weight, point in terms), np.zeros(n)
        )
        return paired_difference(summed, np.zeros(n))
    outcomes = [(weight, point.outcomes) for weight, point in terms if point.outcomes is not None]
    if len(outcomes) < len(terms) or any(point.score.metric != metric for point in points):
        return None
    resampled = resampled_differences(metric, outcomes)
    if resampled is None:
        return None
    value, drawn = resampled
    low, high = np.percentile(drawn, (2.5, 97.5))
    n_examples = points[0].score.n_examples
    return PairedDifference(
        value, float(drawn.std()), float(low), float(high), n_examples, "bootstrap"
    )

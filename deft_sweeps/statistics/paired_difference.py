"""The difference of two scores over the same held-out examples, with an interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

from deft_sweeps.result import Point
from deft_sweeps.statistics.bootstrap import N_RESAMPLES, resampled_differences

Z_95 = 1.959963984540054
"""Half-width of a 95 % interval in standard errors, normal approximation."""

FAMILY_ERROR = 0.05
"""Probability that a table without any true difference shows one."""

Method = Literal["mean", "bootstrap"]

METHODS: dict[Method, str] = {
    "mean": "mean of paired per-example differences, normal approximation",
    "bootstrap": f"{N_RESAMPLES:,} seeded bootstrap resamples of the examples, the same for both",
}
"""How a difference is taken: of a score that is a mean over examples, and of any other."""

PERCENTILES = ", from the 2.5th to the 97.5th percentile"
"""How a bootstrap's interval of a single difference is taken; of several, see `simultaneous`."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference of two scores over the same examples.

    Attributes:
        value: in units of the score.
        standard_error: of `value`: from the spread of the differences by example, or over the
            resamples.
        low, high: 95 % interval, see METHODS and PERCENTILES. It speaks of other examples, not of
            training again with another seed.
        n_examples: that both were measured on.
        n_rows: differences that the interval holds for at once, see `simultaneous`.
        outcome: 1 better, -1 worse, 0 these examples cannot tell. Of several rows by Holm's test,
            which may tell a difference whose simultaneous interval still holds zero.
    """

    value: float
    standard_error: float
    low: float
    high: float
    n_examples: int
    method: Method = "mean"
    n_rows: int = 1
    outcome: Literal[-1, 0, 1] = 0

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
    return PairedDifference(
        value, error, low, high, len(differences), outcome=_side_of_zero(low, high)
    )


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


def simultaneous(differences: Sequence[PairedDifference]) -> list[PairedDifference]:
    """The differences with intervals that hold for all of them at once with 95 %.

    Bonferroni's intervals and Holm's step-down test, both from value and standard error with the
    normal approximation. They hold however the rows depend on one another. If no row differs in
    truth, then about 5 % of such tables at most show any that does. One row alone stays as it is.
    """
    n_rows = len(differences)
    if n_rows < 2:
        return list(differences)
    reach = NormalDist().inv_cdf(1 - FAMILY_ERROR / (2 * n_rows))
    p_values = [_two_sided_p(one) for one in differences]
    corrected: list[PairedDifference] = []
    differing: set[int] = set()
    for rank, i in enumerate(sorted(range(n_rows), key=p_values.__getitem__)):
        if p_values[i] > FAMILY_ERROR / (n_rows - rank):
            break
        differing.add(i)
    for i, one in enumerate(differences):
        half = reach * one.standard_error
        outcome = _side_of_zero(one.value, one.value) if i in differing else 0
        corrected.append(
            replace(
                one, low=one.value - half, high=one.value + half, n_rows=n_rows, outcome=outcome
            )
        )
    return corrected


def _two_sided_p(one: PairedDifference) -> float:
    if one.standard_error > 0:
        return math.erfc(abs(one.value) / one.standard_error / math.sqrt(2))
    return 0.0 if one.value else 1.0


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
        value,
        float(drawn.std()),
        float(low),
        float(high),
        n_examples,
        "bootstrap",
        outcome=_side_of_zero(float(low), float(high)),
    )


def _side_of_zero(low: float, high: float) -> Literal[-1, 0, 1]:
    if low > 0:
        return 1
    return -1 if high < 0 else 0

"""A one-sided test of correlations: Pearson's and Spearman's, of one model or of two on the same
examples.

The studentised bootstrap over examples (Efron and Tibshirani, 1993, section 12.5), with the
standard error of the infinitesimal jackknife. Notation, of n examples with weights w that sum to n:

    u, v    one side's centred values or ranks, and the other's; r is their correlation
    IF      influence of each example on r: the derivative of r by its share of the weight

The standard error of r is sqrt(sum of w IF^2) / n. A correlation by itself is compared on Fisher's
scale, atanh r, whose standard error hardly depends on r; a difference of two has no such scale.
"""

from collections.abc import Callable, Sequence

import numpy as np

from deft_sweeps.outcomes import Outcomes
from deft_sweeps.statistics.studentised_bootstrap import share_beyond
from deft_sweeps.task_metrics.correlation import ranks
from deft_sweeps.task_metrics.resample import Array, resamples

N_RESAMPLES = 2000
FEWEST_EXAMPLES = 400
FEWEST_EFFECTIVE = 30
"""Examples, and equal examples that would weigh as much in the standard error: with as many of both
the size of the test is at most 0.06, measured: see `benchmarks/README.md`."""

_CHUNK = 400_000
"""Weights at a time, which bounds the memory."""

Influence = tuple[Array, Array]
"""Correlation in each weighting, shape (W,), and each example's influence on it, shape (W, n)."""


def correlation_p(
    metric: str,
    terms: Sequence[tuple[float, Outcomes]],
    bound: float,
    *,
    n_resamples: int = N_RESAMPLES,
) -> float | None:
    """The p-value of "the weighted sum of the correlations is at most `bound`".

    Args:
        metric: one of CORRELATIONS.
        terms: weight in the sum and outcomes, over the same examples: 1 and the candidate, and -1
            and the baseline if the limit names one.
        bound: in units of the correlation.
        n_resamples: of the bootstrap.

    Returns:
        In (0, 1]; 1 if the sum does not vary. None if the examples are not the same, are fewer
        than FEWEST_EXAMPLES, or a few of them decide the correlation.
    """
    references = np.array(terms[0][1].read()[1])
    if any(other.references != terms[0][1].references for _, other in terms):
        return None
    if len(references) < FEWEST_EXAMPLES:
        return None
    predictions = [(weight, np.array(outcomes.read()[0])) for weight, outcomes in terms]
    return studentised_p(metric, predictions, references, bound, n_resamples=n_resamples)


def studentised_p(
    metric: str,
    predictions: Sequence[tuple[float, Array]],
    references: Array,
    bound: float,
    *,
    n_resamples: int = N_RESAMPLES,
) -> float | None:
    """`correlation_p` of any number of examples, for the measurement of its size.

    Args:
        metric: one of CORRELATIONS.
        predictions: weight in the sum, and a number an example, shape (n,).
        references: a number an example, shape (n,).
        bound: in units of the correlation.
        n_resamples: of the bootstrap.
    """
    n, influence = len(references), CORRELATIONS[metric]

    def influence_of_sum(weights: Array) -> Influence:
        parts = [(sign, *influence(each, references, weights)) for sign, each in predictions]
        total = np.sum([sign * r for sign, r, _ in parts], axis=0)
        return total, np.sum([sign * each for sign, _, each in parts], axis=0)

    def statistic(weights: Array) -> tuple[Array, Array]:
        """The sum and its standard error, on Fisher's scale if it has one term."""
        total, moved = influence_of_sum(weights)
        error = np.sqrt((weights * moved**2).sum(axis=1)) / n
        if len(predictions) > 1:
            return total, error
        inside = np.clip(total, -1 + 1e-12, 1 - 1e-12)
        return np.arctanh(inside), error / (1 - inside**2)

    whole, error = (float(each[0]) for each in statistic(np.ones((1, n))))
    if not error > 0:
        return 1.0
    if effective_examples(influence_of_sum(np.ones((1, n)))[1][0]) < FEWEST_EFFECTIVE:
        return None
    if len(predictions) == 1:
        if abs(bound) >= 1:
            return 1.0 if bound > 0 else 0.0
        bound = float(np.arctanh(bound))
    resampled = (
        statistic(weights)
        for many in resamples(np.ones(n, dtype=np.int64), n_resamples)
        for weights in np.array_split(many, max(1, many.size // _CHUNK))
    )
    return share_beyond(whole, error, bound, resampled, n_resamples)


def effective_examples(influence: Array) -> float:
    """How many examples of equal influence would weigh as much in the standard error (Kish, 1965).

    Args:
        influence: of each example, shape (n,), not all 0.
    """
    squares = influence**2
    return float(squares.sum() ** 2 / (squares**2).sum())


def pearson_influence(a: Array, b: Array, weights: Array) -> Influence:
    """Pearson's correlation of two sides, shape (n,) each, in weightings of shape (W, n)."""
    n = weights.sum(axis=1, keepdims=True)
    u, v = (values - weights @ values[:, None] / n for values in (a, b))
    return _of_standardised(_standardised(u, weights, n), _standardised(v, weights, n), weights, n)


def spearman_influence(a: Array, b: Array, weights: Array) -> Influence:
    """Spearman's correlation; an example moves the ranks of those above it too."""
    n = weights.sum(axis=1, keepdims=True)
    centred = [(ranks(values, weights) - 0.5) / n - 0.5 for values in (a, b)]
    u, v = (_standardised(each, weights, n) for each in centred)
    r, direct = _of_standardised(u, v, weights, n)
    moved_u = _mean_above(a, v - r[:, None] * u, weights, n)
    moved_v = _mean_above(b, u - r[:, None] * v, weights, n)
    spread_u, spread_v = (_spread(each, weights, n) for each in centred)
    return r, direct + _divided(moved_u, spread_u) + _divided(moved_v, spread_v)


CORRELATIONS: dict[str, Callable[[Array, Array, Array], Influence]] = {
    "pearson": pearson_influence,
    "spearman": spearman_influence,
}


def _of_standardised(u: Array, v: Array, weights: Array, n: Array) -> Influence:
    r = (weights * u * v).sum(axis=1) / n[:, 0]
    return r, u * v - r[:, None] / 2 * (u**2 + v**2)


def _standardised(centred: Array, weights: Array, n: Array) -> Array:
    return _divided(centred, _spread(centred, weights, n))


def _spread(centred: Array, weights: Array, n: Array) -> Array:
    return np.asarray(np.sqrt((weights * centred**2).sum(axis=1, keepdims=True) / n))


def _divided(values: Array, spread: Array) -> Array:
    """0 for a side without spread."""
    return np.divide(values, spread, out=np.zeros_like(values), where=spread > 1e-12)


def _mean_above(values: Array, f: Array, weights: Array, n: Array) -> Array:
    """Of each example the sum of w f over those of a higher value, and half of it over those of the
    same, over n; shape (W, n).
    """
    distinct, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(distinct)))
    sums = np.add.reduceat((weights * f)[:, order], starts, axis=1)
    above = sums.sum(axis=1, keepdims=True) - np.cumsum(sums, axis=1) + sums / 2
    return np.asarray(above[:, place] / n)

"""Correlations of numbers, 0 if either side is constant."""

import numpy as np

from deft_sweeps.task_metrics.task_metric import Array, TaskMetric


def ranks(values: Array, weights: Array) -> Array:
    """Rank of each example in each weighting, from 1, shape (W, n); equal ones share their mean."""
    distinct, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(distinct)))
    n_equal = np.add.reduceat(weights[:, order], starts, axis=1)
    return np.asarray((np.cumsum(n_equal, axis=1) - (n_equal - 1) / 2)[:, place])


def _pearson(a: Array, b: Array, weights: Array) -> Array:
    """Of numbers, shapes (W or 1, n)."""
    n = weights.sum(1, keepdims=True)
    # Centred before squaring, so that no digits are lost.
    a, b = (values - (weights * values).sum(1, keepdims=True) / n for values in (a, b))
    spreads = [(weights * values * values).sum(1) for values in (a, b)]
    # What rounding leaves of a constant is no spread.
    sizes = [(weights * np.abs(values)).max(1) for values in (a, b)]
    varied = (sizes[0] >= 1e-12) & (sizes[1] >= 1e-12)
    covariance = (weights * a * b).sum(1)
    correlation = np.divide(
        covariance, np.sqrt(spreads[0] * spreads[1]), out=np.zeros(len(weights)), where=varied
    )
    return np.asarray(np.clip(correlation, -1, 1))


PEARSON = TaskMetric(
    name="pearson",
    meaning="Pearson's correlation",
    answer="number",
    worst=-1.0,
    weighted=lambda a, b, weights: _pearson(a[None], b[None], weights),
)
SPEARMAN = TaskMetric(
    name="spearman",
    meaning="Spearman's correlation: Pearson's of the ranks, equal numbers sharing their mean rank",
    answer="number",
    worst=-1.0,
    weighted=lambda a, b, weights: _pearson(ranks(a, weights), ranks(b, weights), weights),
)

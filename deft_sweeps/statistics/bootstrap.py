"""Paired differences of metrics that are no mean over examples: F1 and correlations over seeded resamples of the examples. numpy only.

A resample is told by how often it drew each example, so that every metric is a few weighted sums, taken over all resamples at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.outcomes import Outcomes

N_RESAMPLES = 2000
"""Of the bootstrap; an interval's end is then known to about a twentieth of its half-width."""

_FEW = 256
"""Up to this many distinct examples, a resample is one multinomial draw of their counts."""

_AT_ONCE = 2_000_000
"""Examples drawn at a time, which bounds the memory."""

Array = NDArray[np.float64]


def weighted_metric(metric: str, predictions: Array, references: Array, weights: Array) -> Array:
    """One metric over each resample; the same as over a list that has each example as often as its weight says.

    Args:
        metric: `f1` of class 1, `matthews`, `pearson` or `spearman`.
        predictions: (n,), class indices or numbers.
        references: (n,), likewise.
        weights: (resamples, n), >= 0, each row with a sum above 0.

    Returns:
        (resamples,)

    Raises:
        ValueError: no such metric.
    """
    match metric:
        case "f1":
            right = weights @ ((predictions == 1) & (references == 1)).astype(float)
            either = weights @ ((predictions == 1).astype(float) + (references == 1))
            return np.asarray(2 * right / np.maximum(either, 1))
        case "matthews":
            return _matthews(predictions, references, weights)
        case "pearson":
            return _pearson(predictions[None], references[None], weights)
        case "spearman":
            return _pearson(_ranks(predictions, weights), _ranks(references, weights), weights)
        case _:
            raise ValueError(f"expected f1, matthews, pearson or spearman, got {metric!r}")


def resampled_differences(metric: str, terms: Sequence[tuple[float, Outcomes]]) -> tuple[float, Array] | None:
    """The weighted sum of a metric of several points, the same examples drawn for all.

    Args:
        metric: as `weighted_metric` takes it.
        terms: one at least: of each point, with its share of the sum, below 0 of one that is taken off.

    Returns:
        The sum over the examples themselves, and over N_RESAMPLES bootstrap resamples of them (seed 0); None where the references
        are not the same, or fewer than two.
    """
    first = terms[0][1]
    references = first.read()[1]
    if len(references) < 2 or any(other.references != first.references for _, other in terms):
        return None
    rows, counts = np.unique([references, *(outcomes.read()[0] for _, outcomes in terms)], axis=1, return_counts=True)

    def difference(weights: Array) -> Array:
        told = np.zeros(len(weights))
        for (share, _), predicted in zip(terms, rows[1:], strict=True):
            told = told + share * weighted_metric(metric, predicted, rows[0], weights)
        return told

    drawn = np.concatenate([difference(weights) for weights in _resamples(counts)])
    return float(difference(counts[None].astype(float))[0]), drawn


def _resamples(counts: NDArray[np.int64]) -> Iterator[Array]:
    """Chunks of (resamples, distinct examples): how often each was drawn, of `counts` examples of its kind."""
    generator = np.random.default_rng(0)
    n, n_kinds = int(counts.sum()), len(counts)
    if n_kinds <= _FEW:
        yield generator.multinomial(n, counts / n, size=N_RESAMPLES).astype(float)
        return
    kind = np.repeat(np.arange(n_kinds), counts)
    left = N_RESAMPLES
    while left:
        size = min(left, max(1, _AT_ONCE // n))
        drawn = kind[generator.integers(n, size=(size, n))] + n_kinds * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n_kinds).reshape(size, n_kinds).astype(float)
        left -= size


def _matthews(predictions: Array, references: Array, weights: Array) -> Array:
    """Of any number of classes (Gorodkin 2004), 0 where all predictions or all references are of one class."""
    classes = np.unique([predictions, references])
    n = weights.sum(1)
    actual, predicted = (weights @ (values[:, None] == classes).astype(float) for values in (references, predictions))
    right = weights @ (predictions == references).astype(float)
    spread = np.sqrt(n * n - (predicted * predicted).sum(1)) * np.sqrt(n * n - (actual * actual).sum(1))
    apart = n * right - (actual * predicted).sum(1)
    return np.asarray(np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0))


def _pearson(a: Array, b: Array, weights: Array) -> Array:
    """Of numbers (resamples or 1, n); 0 where one of them is constant."""
    n = weights.sum(1, keepdims=True)
    # Centred before it is squared, so that no digits are lost; what rounding leaves of a constant is no spread.
    a, b = (values - (weights * values).sum(1, keepdims=True) / n for values in (a, b))
    spreads = [(weights * values * values).sum(1) for values in (a, b)]
    sizes = [(weights * np.abs(values)).max(1) for values in (a, b)]
    flat = (sizes[0] < 1e-12) | (sizes[1] < 1e-12)
    told = np.divide((weights * a * b).sum(1), np.sqrt(spreads[0] * spreads[1]), out=np.zeros(len(weights)), where=~flat)
    return np.asarray(np.clip(told, -1, 1))


def _ranks(values: Array, weights: Array) -> Array:
    """Rank of each example in each resample, from 1, equal ones sharing their mean: (resamples, n)."""
    distinct, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(distinct)))
    of = np.add.reduceat(weights[:, order], starts, axis=1)
    return np.asarray((np.cumsum(of, axis=1) - (of - 1) / 2)[:, place])

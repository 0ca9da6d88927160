"""A one-sided test of metrics that are no mean over examples: F1 of classes, Matthews' correlation.

The studentised bootstrap (Efron and Tibshirani, 1993, section 12.5): the distance of the value from
the limit in standard errors, beside the same of resamples about the value itself. The standard
error of each resample is the infinitesimal jackknife's: with T the metric and w_k how often the
k-th distinct example was drawn, its square is the sum over k of w_k (dT / dw_k)^2.
"""

from collections.abc import Sequence

import numpy as np

from deft_sweeps.outcomes import Outcomes
from deft_sweeps.statistics.studentised_bootstrap import share_beyond
from deft_sweeps.task_metrics import weighted_metric
from deft_sweeps.task_metrics.resample import Array, resamples

N_RESAMPLES = 2000
MAX_KINDS = 128
"""Distinct examples (reference and predictions) beyond which the test takes too long."""

_STEP = 1e-3


def metric_p(
    metric: str,
    terms: Sequence[tuple[float, Outcomes]],
    bound: float,
    *,
    n_resamples: int = N_RESAMPLES,
) -> float | None:
    """The p-value of "the weighted sum of the metric is at most `bound`".

    Args:
        metric: as `weighted_metric` takes it.
        terms: weight in the sum and outcomes, over the same examples: 1 and the candidate, and -1
            and the baseline if the limit names one.
        bound: in units of the metric.
        n_resamples: of the bootstrap.

    Returns:
        In (0, 1]; 1 if the sum does not vary. None if the examples are not the same, or are of more
        than MAX_KINDS kinds.
    """
    references = terms[0][1].read()[1]
    if any(other.references != terms[0][1].references for _, other in terms):
        return None
    predictions = [outcomes.read()[0] for _, outcomes in terms]
    rows, counts = np.unique([references, *predictions], axis=1, return_counts=True)
    if len(counts) > MAX_KINDS:
        return None

    def value(weights: Array) -> Array:
        total = np.zeros(len(weights))
        for (weight, _), predicted in zip(terms, rows[1:], strict=True):
            total = total + weight * weighted_metric(metric, predicted, rows[0], weights)
        return total

    def standard_error(weights: Array, values: Array) -> Array:
        square = np.zeros(len(weights))
        for kind in range(weights.shape[1]):
            moved = weights.copy()
            moved[:, kind] += _STEP
            square += weights[:, kind] * ((value(moved) - values) / _STEP) ** 2
        return np.asarray(np.sqrt(square))

    def with_error(weights: Array) -> tuple[Array, Array]:
        values = value(weights)
        return values, standard_error(weights, values)

    measured, error = (float(each[0]) for each in with_error(counts[None].astype(float)))
    if error == 0:
        return 1.0
    resampled = map(with_error, resamples(counts, n_resamples))
    return share_beyond(measured, error, bound, resampled, n_resamples)

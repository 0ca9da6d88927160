"""Paired differences of metrics that are no mean over examples, over resamples of the examples.

A resample is a count of how often it drew each example, so a metric is a few weighted sums that are
taken over all resamples at once.
"""

from collections.abc import Sequence

import numpy as np

from deft_sweeps.outcomes import Outcomes
from deft_sweeps.task_metrics import weighted_metric
from deft_sweeps.task_metrics.resample import Array, resamples

N_RESAMPLES = 2000
"""Of the bootstrap; an interval's end is then known to about a twentieth of its half-width."""


def resampled_differences(
    metric: str, terms: Sequence[tuple[float, Outcomes]]
) -> tuple[float, Array] | None:
    """The weighted sum of a metric of several points, the same examples drawn for all.

    Args:
        metric: as `weighted_metric` takes it.
        terms: at least one: weight in the sum and outcomes of each point; the weight of a point
            that is subtracted is below 0.

    Returns:
        The sum over the examples themselves, and over N_RESAMPLES bootstrap resamples of them (seed
        0); None if the references are not the same, or fewer than two.
    """
    first = terms[0][1]
    references = first.read()[1]
    if len(references) < 2 or any(other.references != first.references for _, other in terms):
        return None
    predictions = [outcomes.read()[0] for _, outcomes in terms]
    rows, counts = np.unique([references, *predictions], axis=1, return_counts=True)

    def difference(weights: Array) -> Array:
        total = np.zeros(len(weights))
        for (weight, _), predicted in zip(terms, rows[1:], strict=True):
            total = total + weight * weighted_metric(metric, predicted, rows[0], weights)
        return total

    chunks = resamples(counts, N_RESAMPLES)
    drawn = np.concatenate([difference(weights) for weights in chunks])
    return float(difference(counts[None].astype(float))[0]), drawn

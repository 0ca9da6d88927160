"""Matthews' correlation of classes."""

import numpy as np

from deft_sweeps.task_metrics.class_counts import ClassCounts
from deft_sweeps.task_metrics.task_metric import Array, TaskMetric


def _weighted(predictions: Array, references: Array, weights: Array) -> Array:
    """Of any number of classes (Gorodkin, Computational Biology and Chemistry 28, 2004)."""
    n = weights.sum(1)
    counts = ClassCounts.of(predictions, references, weights)
    actual, predicted = (counts.actual**2).sum(1), (counts.predicted**2).sum(1)
    spread = np.sqrt(n * n - predicted) * np.sqrt(n * n - actual)
    covariance = n * counts.right.sum(1) - (counts.actual * counts.predicted).sum(1)
    return np.asarray(
        np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)
    )


MATTHEWS = TaskMetric(
    name="matthews",
    meaning="Matthews' correlation, 0 if all predictions or all references are of one class",
    answer="class",
    worst=-1.0,
    weighted=_weighted,
)

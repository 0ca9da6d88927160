"""Share of each class that is predicted correctly, averaged over the classes."""

import numpy as np

from deft_sweeps.task_metrics.class_counts import ClassCounts
from deft_sweeps.task_metrics.task_metric import Array, TaskMetric


def _weighted(predictions: Array, references: Array, weights: Array) -> Array:
    counts = ClassCounts.of(predictions, references, weights)
    occurs = counts.actual > 0
    return np.asarray((counts.recall * occurs).sum(axis=1) / occurs.sum(axis=1))


BALANCED_ACCURACY = TaskMetric(
    name="balanced_accuracy",
    meaning="unweighted mean over the classes that occur of the share predicted correctly",
    answer="class",
    weighted=_weighted,
)

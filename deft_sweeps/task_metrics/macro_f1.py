"""F1 of each class, averaged over the classes."""

import numpy as np

from deft_sweeps.task_metrics.class_counts import ClassCounts
from deft_sweeps.task_metrics.task_metric import Array, TaskMetric


def _weighted(predictions: Array, references: Array, weights: Array) -> Array:
    counts = ClassCounts.of(predictions, references, weights)
    occurs = counts.actual + counts.predicted > 0
    return np.asarray((counts.f1 * occurs).sum(axis=1) / occurs.sum(axis=1))


MACRO_F1 = TaskMetric(
    name="macro_f1",
    meaning="unweighted mean of each class's F1, over the classes that occur or are predicted",
    answer="class",
    weighted=_weighted,
)

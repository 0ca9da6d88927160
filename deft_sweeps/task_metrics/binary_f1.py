"""F1 of class 1 among two."""

import numpy as np

from deft_sweeps.task_metrics.task_metric import Array, TaskMetric


def _weighted(predictions: Array, references: Array, weights: Array) -> Array:
    right = weights @ ((predictions == 1) & (references == 1)).astype(float)
    either = weights @ ((predictions == 1).astype(float) + (references == 1))
    return np.asarray(np.divide(2 * right, either, out=np.zeros_like(either), where=either > 0))


F1 = TaskMetric(
    name="f1",
    meaning="harmonic mean of precision and recall of class 1, 0 if nothing of it is right",
    answer="class",
    n_classes=2,
    weighted=_weighted,
)

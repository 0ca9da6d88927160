"""Examples counted by reference and prediction, for each weighting of them."""

from dataclasses import dataclass

import numpy as np

from deft_sweeps.task_metrics.task_metric import Array


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Weighted counts of classes, for each of W weightings.

    Attributes:
        right: correctly predicted examples of each class, shape (W, classes).
        actual: examples of each class, shape (W, classes).
        predicted: predictions of each class, shape (W, classes).
    """

    right: Array
    actual: Array
    predicted: Array

    @staticmethod
    def of(predictions: Array, references: Array, weights: Array) -> "ClassCounts":
        """Counts over the classes that occur, in rising order.

        Args:
            predictions: class indices, shape (n,).
            references: class indices, shape (n,).
            weights: shape (W, n).
        """
        classes = np.unique([predictions, references])
        is_actual = (references[:, None] == classes).astype(float)
        is_predicted = (predictions[:, None] == classes).astype(float)
        return ClassCounts(
            weights @ (is_actual * is_predicted), weights @ is_actual, weights @ is_predicted
        )

    @property
    def f1(self) -> Array:
        """Harmonic mean of precision and recall of each class, 0 if nothing of it is right, shape
        (W, classes).
        """
        either = self.actual + self.predicted
        return np.divide(2 * self.right, either, out=np.zeros_like(either), where=either > 0)

    @property
    def recall(self) -> Array:
        """Share of each class that is predicted correctly, shape (W, classes); 0 for a class that
        the weighting leaves out.
        """
        return np.divide(
            self.right, self.actual, out=np.zeros_like(self.right), where=self.actual > 0
        )

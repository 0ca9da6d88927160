import numpy as np
import pytest

from deft_sweeps.task_metrics import score, weighted_metric


def test_a_rare_class_counts_as_much_as_a_frequent_one() -> None:
    predictions, references = [0] * 98 + [0, 1], [0] * 98 + [1, 1]
    assert score("accuracy", predictions, references).score.value == pytest.approx(0.99)
    assert score("balanced_accuracy", predictions, references).score.value == pytest.approx(0.75)


def test_classes_that_do_not_occur_do_not_count() -> None:
    """Neither one that is only predicted, nor one that a weighting leaves out."""
    predictions, references = np.array([0.0, 2.0, 1.0]), np.array([0.0, 0.0, 1.0])
    weights = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    values = weighted_metric("balanced_accuracy", predictions, references, weights)
    assert values.tolist() == [0.75, 0.5]

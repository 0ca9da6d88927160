import numpy as np
import pytest

from deft_sweeps.task_metrics import score, weighted_metric


def test_a_class_that_is_only_predicted_counts_and_is_all_wrong() -> None:
    # Class 0: precision 1, recall 1/2. Class 1: 1. Class 2 is predicted once and never right.
    value = score("macro_f1", [0, 2, 1], [0, 0, 1]).score.value
    assert value == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_class_that_a_weighting_leaves_out_does_not_count() -> None:
    predictions, references = np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 2.0])
    weights = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    values = weighted_metric("macro_f1", predictions, references, weights)
    assert values.tolist() == [1.0, 1.0, 0.0]

"""The studentised bootstrap of correlations."""

import numpy as np
import pytest
from scipy import stats

from deft_sweeps.outcomes import Outcomes
from deft_sweeps.statistics.correlation_p_value import (
    CORRELATIONS,
    FEWEST_EXAMPLES,
    correlation_p,
    effective_examples,
    studentised_p,
)
from deft_sweeps.task_metrics import weighted_metric
from deft_sweeps.task_metrics.resample import Array

Examples = tuple[Array, Array, Array]


def drawn(rng: np.random.Generator, n: int) -> Examples:
    """References, and predictions of two models that share half their error."""
    references = rng.normal(size=n)
    shared = rng.normal(0, 0.35, n)
    one, other = (references + shared + rng.normal(0, 0.35, n) for _ in range(2))
    return references, one, other


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_influence_is_the_derivative_by_the_weights(metric: str) -> None:
    rng = np.random.default_rng(0)
    references, one, _ = drawn(rng, 40)
    one = np.asarray(np.round(one, 1), dtype=float)  # With ties.
    weights = rng.integers(1, 4, (1, 40)).astype(float)
    r, influence = CORRELATIONS[metric](one, references, weights)
    assert r[0] == pytest.approx(weighted_metric(metric, one, references, weights)[0])
    for i in range(40):
        moved = weights.copy()
        moved[0, i] += 1e-5
        slope = (weighted_metric(metric, one, references, moved)[0] - r[0]) / 1e-5
        assert influence[0, i] / weights.sum() == pytest.approx(slope, abs=2e-5)


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_falls_as_the_margin_grows(metric: str) -> None:
    references, one, other = drawn(np.random.default_rng(1), 400)
    terms = [(1.0, one), (-1.0, other)]
    p_values = [
        studentised_p(metric, terms, references, -margin, n_resamples=200)
        for margin in np.linspace(-0.1, 0.2, 13)
    ]
    falling = np.array(p_values, dtype=float)
    assert (np.diff(falling) <= 0).all()
    assert falling[0] > 0.9
    assert falling[-1] < 0.01


def test_close_to_fishers_z_for_normal_numbers() -> None:
    references, one, _ = drawn(np.random.default_rng(2), 1000)
    r = float(np.corrcoef(one, references)[0, 1])
    bound = r - 0.015
    z = (np.arctanh(r) - np.arctanh(bound)) * np.sqrt(1000 - 3)
    p = studentised_p("pearson", [(1.0, one)], references, bound)
    assert p == pytest.approx(stats.norm.sf(z), abs=0.03)


def test_few_examples_and_other_examples_have_no_test() -> None:
    few = Outcomes.of(*np.random.default_rng(0).normal(size=(2, FEWEST_EXAMPLES - 1)).tolist())
    assert correlation_p("pearson", [(1.0, few)], 0.5) is None
    one, other = Outcomes.of([1, 0], [1, 0]), Outcomes.of([1, 0], [0, 1])
    assert correlation_p("pearson", [(1.0, one), (-1.0, other)], 0.0) is None


def test_a_few_examples_that_decide_the_correlation_have_no_test() -> None:
    rng = np.random.default_rng(4)
    references, one, _ = drawn(rng, 1000)
    assert studentised_p("pearson", [(1.0, one)], references, 0.5) is not None
    references[:3], one[:3] = (100.0, -90.0, 80.0), (60.0, -100.0, 95.0)
    assert studentised_p("pearson", [(1.0, one)], references, 0.5) is None
    assert studentised_p("spearman", [(1.0, one)], references, 0.5) is not None
    assert effective_examples(np.r_[np.ones(50), np.zeros(50)]) == 50


def test_predictions_that_do_not_vary_certify_nothing() -> None:
    references = np.random.default_rng(0).normal(size=50)
    for metric in CORRELATIONS:
        assert studentised_p(metric, [(1.0, np.ones(50))], references, -0.5) == 1.0
        same = [(1.0, references), (-1.0, references)]
        assert studentised_p(metric, same, references, -0.02) == 1.0


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_size_at_the_limit(metric: str) -> None:
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(80):
        references, one, other = drawn(rng, FEWEST_EXAMPLES)
        terms = [(1.0, one), (-1.0, other)]
        p_values.append(studentised_p(metric, terms, references, 0.0, n_resamples=100))
    assert np.mean([p is not None and p <= 0.05 for p in p_values]) <= 0.10

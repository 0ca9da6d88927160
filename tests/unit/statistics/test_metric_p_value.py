"""The studentised bootstrap of metrics that are no mean over examples."""

import numpy as np
import pytest

from deft_sweeps.outcomes import Outcomes
from deft_sweeps.statistics.metric_p_value import MAX_KINDS, metric_p
from deft_sweeps.task_metrics import weighted_metric

KINDS = np.array([(r, a, b) for r in (0, 1) for a in (0, 1) for b in (0, 1)], dtype=float).T
CHANCES = np.array([0.42, 0.03, 0.02, 0.05, 0.05, 0.01, 0.03, 0.39])
"""Of reference, candidate and baseline: both mostly right, and mostly wrong together."""


def outcomes(rng: np.random.Generator, n: int) -> tuple[Outcomes, Outcomes]:
    drawn = KINDS[:, rng.choice(len(CHANCES), n, p=CHANCES)]
    references = drawn[0].tolist()
    return Outcomes.of(drawn[1].tolist(), references), Outcomes.of(drawn[2].tolist(), references)


def true_difference(metric: str) -> float:
    weights = 1e6 * CHANCES[None]
    candidate, baseline = (weighted_metric(metric, KINDS[i], KINDS[0], weights) for i in (1, 2))
    return float(candidate[0] - baseline[0])


@pytest.mark.parametrize("metric", ["matthews", "macro_f1", "f1", "balanced_accuracy"])
def test_size_at_the_limit_and_power_beyond_it(metric: str) -> None:
    rng = np.random.default_rng(0)
    bound, n_draws = true_difference(metric), 120
    at_limit, beyond = [], []
    for _ in range(n_draws):
        candidate, baseline = outcomes(rng, 400)
        terms = [(1.0, candidate), (-1.0, baseline)]
        at_limit.append(metric_p(metric, terms, bound, n_resamples=400))
        beyond.append(metric_p(metric, terms, bound - 0.1, n_resamples=400))
    assert np.mean([p is not None and p <= 0.05 for p in at_limit]) <= 0.10
    assert np.mean([p is not None and p <= 0.05 for p in beyond]) > 0.8


def test_an_absolute_limit() -> None:
    candidate, _ = outcomes(np.random.default_rng(1), 400)
    low, high = (metric_p("matthews", [(1.0, candidate)], bound) for bound in (0.5, 0.95))
    assert low is not None
    assert high is not None
    assert low < 0.01
    assert high > 0.9


def test_numbers_and_other_examples_have_no_test() -> None:
    rng = np.random.default_rng(0)
    numbers = Outcomes.of(*rng.normal(size=(2, MAX_KINDS + 1)).tolist())
    assert metric_p("pearson", [(1.0, numbers)], 0.5) is None
    one, other = Outcomes.of([1, 0], [1, 0]), Outcomes.of([1, 0], [0, 1])
    assert metric_p("matthews", [(1.0, one), (-1.0, other)], 0.0) is None


def test_equal_predictions_say_nothing() -> None:
    candidate, _ = outcomes(np.random.default_rng(2), 200)
    assert metric_p("matthews", [(1.0, candidate), (-1.0, candidate)], -0.02) == 1.0

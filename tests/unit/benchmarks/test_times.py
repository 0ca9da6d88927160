"""The planner's time beside real trials."""

from dataclasses import replace

import pytest

from benchmarks.times import CASES, EVALUATION, kind, lines, ratio
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.sweep_projection import FLOPS_PER_CORE
from deft_sweeps.projection.trial_estimate import estimate
from deft_sweeps.result import CompleteTrial
from tests.fakes import fake_result

CONFIG = TrialConfig()


def took(train_sec: float, evaluate_sec: float) -> CompleteTrial:
    result = fake_result(CONFIG, 0)
    assert result.cost is not None
    cost = replace(result.cost, train_time_sec=train_sec, evaluate_time_sec=evaluate_sec)
    return replace(result, cost=cost)


def test_a_trial_that_takes_twice_as_long_as_projected_has_the_ratio_2() -> None:
    rate = FLOPS_PER_CORE[CONFIG.dtype]
    needs = estimate(CONFIG, layout(read_config(CONFIG.model)), EVALUATION, rate)
    a_point = needs.evaluate_sec / len(EVALUATION.thresholds)
    result = took(2 * needs.train_sec, 2 * a_point * len(took(0, 0).points))
    assert ratio(result).training == pytest.approx(2.0)
    assert ratio(result).evaluation == pytest.approx(2.0)
    (row,) = lines([("one", result)])[2:]
    assert row == "| one | 1 | 2.00 (2.00 to 2.00) | 2.00 (2.00 to 2.00) |"


def test_made_up_results_have_none() -> None:
    with pytest.raises(ValueError, match="was made up"):
        ratio(replace(took(1.0, 1.0), cost=None))


def test_each_case_is_a_row_of_its_own() -> None:
    assert len({(kind(config), config.training) for config in CASES.values()}) == len(CASES)

"""Which member a policy takes, and what is said of it."""

from dataclasses import replace

import pytest

from deft_sweeps.config.axes import Nf4
from deft_sweeps.findings import choose
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.report import choice_text
from deft_sweeps.result import CompleteTrial
from tests.made_sweep import sweep_results
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
PLAIN = result(point(0.0, 0.82, 0.9))
DEFT = result(point(0.0, 0.81, 0.5), point(0.2, 0.80, 0.2), point(0.5, 0.60, 0.1), weight=1.0)


def test_the_best_under_a_limit() -> None:
    choice = choose(
        [PLAIN, DEFT],
        OBJECTIVES,
        (),
        parse_policy("best activation_density where score >= baseline(peft) - 0.02"),
    )
    assert choice.member is not None
    assert choice.runner_up is not None
    assert choice.baseline is not None
    assert (choice.member.result, choice.member.point.threshold) == (DEFT, 0.2)
    assert (choice.runner_up.result, choice.runner_up.point.threshold) == (DEFT, 0.0)
    assert choice.baseline.result == PLAIN
    assert "lowest activation_density (0.2" in choice_text.why(choice)
    why = {lost.member.name: lost.why for lost in choice_text.rejected(choice)}
    assert len(why) == 3
    assert (
        "breaks `score >= baseline(peft) - 0.02`: 0.600 is 0.200 beyond it"
        in why[f"{DEFT.trial_id}@0.5"]
    )
    assert "above the chosen one's" in why[f"{PLAIN.trial_id}@0"]


def test_the_knee_is_the_default() -> None:
    choice = choose([PLAIN, DEFT], OBJECTIVES)
    assert choice.member is not None
    assert choice.member.point.threshold == 0.2
    assert "knee" in choice_text.why(choice)
    assert all("less of a knee" in lost.why for lost in choice_text.rejected(choice))


def test_limits_of_the_sweep_hold_beside_those_of_the_policy() -> None:
    choice = choose(
        [PLAIN, DEFT],
        OBJECTIVES,
        [parse_constraint("activation_density <= 0.6")],
        parse_policy("best score where score <= 0.805"),
    )
    assert choice.member is not None
    assert choice.member.point.threshold == 0.2


def test_the_uncertainty_of_a_relative_limit_is_told() -> None:
    choice = choose(
        [PLAIN, DEFT],
        OBJECTIVES,
        (),
        parse_policy("best activation_density where score >= baseline(peft) - 0.02"),
    )
    assert choice.difference is not None
    assert choice.difference.value == pytest.approx(-0.02)
    assert choice.difference.low < -0.02
    assert any(
        "reaches below `score >= baseline(peft) - 0.02`" in caveat
        for caveat in choice_text.caveats(choice)
    )
    assert any("4 measured points" in caveat for caveat in choice_text.caveats(choice))
    roomy = choose(
        [PLAIN, DEFT],
        OBJECTIVES,
        (),
        parse_policy("best activation_density where score >= baseline(peft) - 0.15"),
    )
    assert not any("reaches below" in caveat for caveat in choice_text.caveats(roomy))


def test_the_baseline_itself_may_be_chosen() -> None:
    choice = choose([PLAIN, DEFT], OBJECTIVES, (), parse_policy("best score"))
    assert choice.member == choice.baseline
    assert choice.difference is None


def test_a_metric_that_is_no_objective_is_judged_over_everything_measured() -> None:
    assert DEFT.cost is not None
    small: CompleteTrial = replace(
        DEFT,
        config=replace(DEFT.config, quantization=Nf4()),
        points=(point(0.0, 0.79, 0.6),),
        cost=replace(DEFT.cost, weight_bytes=100),
    )
    choice = choose(
        [PLAIN, DEFT, small], OBJECTIVES, (), parse_policy("best weight_bytes where score >= 0.75")
    )
    assert choice.member is not None
    assert choice.member.result == small
    assert small.trial_id not in {member.result.trial_id for member in choice.front.members}


def test_a_policy_that_nothing_satisfies_names_limit_and_nearest_miss() -> None:
    policy = parse_policy("best score where activation_density <= 0.05 and score >= 0.7")
    choice = choose([PLAIN, DEFT], OBJECTIVES, (), policy)
    assert choice.member is None
    assert choice_text.rejected(choice) == ()
    assert "`activation_density <= 0.05` excludes most, 4 of 4" in choice_text.why(choice)
    assert choice.nearest_miss is not None
    assert choice.nearest_miss.point.threshold == 0.2
    assert "at threshold 0.2" in choice_text.why(choice)
    assert "0.200 is 0.150 beyond it" in choice_text.why(choice)


def test_nothing_measured_and_no_baseline_are_said() -> None:
    assert "no trial has finished" in choice_text.why(choose([result()], OBJECTIVES))
    choice = choose(
        [DEFT], OBJECTIVES, (), parse_policy("knee where score >= baseline(peft) - 0.02")
    )
    assert choice.member is None
    assert "baseline(peft)" in choice_text.why(choice)
    assert choice.nearest_miss is None


def test_the_choice_does_not_depend_on_the_order_of_results() -> None:
    results = sweep_results()
    policy = parse_policy("best activation_density where score >= baseline(peft) - 0.01")
    first, second = (choose(order, OBJECTIVES, (), policy) for order in (results, results[::-1]))
    assert first.member is not None
    assert first.member == second.member
    assert choice_text.why(first) == choice_text.why(second)
    assert choice_text.rejected(first) == choice_text.rejected(second)

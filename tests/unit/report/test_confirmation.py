"""Which limits hold on the test split, by the rule that chose."""

from dataclasses import replace

import pytest

from deft_sweeps.choice import Choice, choose
from deft_sweeps.objective import Constraint, parse_constraint, parse_policy
from deft_sweeps.report.answer import headline, unjudged_told
from deft_sweeps.report.confirmation import confirm
from deft_sweeps.result import FinalMeasurement
from tests.made_sweep import PROVENANCE, cost, measured
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
PLAIN = result(point(0.0, 0.82, 0.9))
DEFT = result(point(0.0, 0.81, 0.5), point(0.2, 0.80, 0.2), weight=1.0)


def chosen_by(policy: str) -> Choice:
    return choose([PLAIN, DEFT], OBJECTIVES, (), parse_policy(policy))


def final(role: str, score: float, *, of: str, threshold: float, latency_sec: float = 0.02) -> FinalMeasurement:
    return FinalMeasurement(
        role=role,  # type: ignore[arg-type]
        trial_id=of,
        point=measured(threshold, score, 0.2, 0.2, n=1000),
        cost=replace(cost(), label="measured", latency_sec=latency_sec),
        provenance=PROVENANCE,
    )


def finals(score: float, *, latency_sec: float = 0.02) -> tuple[FinalMeasurement, ...]:
    chosen = final("chosen", score, of=DEFT.trial_id, threshold=0.2, latency_sec=latency_sec)
    return chosen, final("baseline", 0.8, of=PLAIN.trial_id, threshold=0.0)


BY_VALUE = "best activation_density where score >= baseline(peft) - 0.02"


@pytest.mark.parametrize(("score", "holds"), [(0.81, True), (0.785, True), (0.775, False)])
def test_a_plain_limit_is_judged_by_the_value(score: float, holds: bool) -> None:
    found = confirm(chosen_by(BY_VALUE), (), finals(score))
    assert (found.broken == ()) == holds
    assert found.unjudged == ()


@pytest.mark.parametrize(("score", "holds"), [(0.80, True), (0.785, False)])
def test_surely_is_judged_by_the_near_end_of_the_interval(score: float, holds: bool) -> None:
    """At 0.785 the value keeps the limit and the interval does not."""
    choice = chosen_by(BY_VALUE)
    sure = replace(choice, policy=parse_policy(BY_VALUE.replace("score >=", "surely score >=")))
    broken = confirm(sure, (), finals(score)).broken
    assert (broken == ()) == holds
    assert all("paired by example" in one.why for one in broken)


@pytest.mark.parametrize(("text", "holds"), [("latency_sec <= 50 ms", True), ("latency_sec <= 10 ms", False)])
def test_a_limit_of_the_sweep_counts_too_and_costs_are_those_measured_alone(text: str, holds: bool) -> None:
    limits = (parse_constraint(text),)
    choice = chosen_by(BY_VALUE)
    assert (confirm(choice, limits, finals(0.81)).broken == ()) == holds
    assert headline(choice, limits, finals(0.81)).startswith("Ship " if holds else "Not confirmed on test: ")


def test_what_was_not_measured_on_test_is_said_and_breaks_nothing() -> None:
    limits: tuple[Constraint, ...] = (parse_constraint("written_density <= 0.5"),)
    only_chosen = finals(0.7)[:1]
    choice = chosen_by(BY_VALUE)
    assert confirm(choice, limits, only_chosen).broken == ()
    told = unjudged_told(choice, limits, only_chosen)
    assert "`written_density <= 0.5`, `score >= baseline(peft) - 0.02`" in told


def test_the_baseline_as_the_choice_is_its_own_baseline_on_test() -> None:
    choice = chosen_by("best score where surely score >= baseline(peft) - 0.02")
    assert choice.member is not None
    assert choice.member.result == PLAIN
    own = final("chosen", 0.7, of=PLAIN.trial_id, threshold=0.0)
    assert confirm(choice, (), (own,)).broken == ()
    assert headline(choice, (), (own,)).startswith("Ship ")


def test_before_the_test_split_is_read_nothing_is_contradicted() -> None:
    assert headline(chosen_by(BY_VALUE), (), ()).startswith("Ship ")
    assert headline(chosen_by("best score where score >= 0.99"), (), ()) == "Nothing to ship"

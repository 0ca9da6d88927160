"""Points whose zeros are float saturation: no front members, no candidates, yet baselines."""

from dataclasses import replace

import pytest

from deft_sweeps.findings import Findings
from deft_sweeps.findings.candidate_chain import make_chain
from deft_sweeps.findings.equal_density import at_equal_density
from deft_sweeps.findings.front_json import member_dict
from deft_sweeps.findings.front_member import configurations
from deft_sweeps.objective import parse_policy
from deft_sweeps.report.front_figure import scatter
from deft_sweeps.report.front_tables import front_table
from deft_sweeps.report.trial_tables import trials_table
from deft_sweeps.result import Point
from deft_sweeps.statistics.plateau import hypervolumes
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
SPARSEST = "best activation_density where score >= baseline(peft)"


def saturated(score: float, density: float) -> Point:
    return replace(point(0.0, score, density), float_saturation=True)


PLAIN = result(saturated(0.84, 0.99), point(0.01, 0.83, 0.96), point(0.5, 0.80, 0.2))
DEFT = result(saturated(0.82, 0.88), point(0.01, 0.81, 0.7), point(0.5, 0.79, 0.1), weight=1.0)
RELU = result(point(0.0, 0.70, 0.3), learning_rate=5e-3)


def findings(policy: str = "knee") -> Findings:
    return Findings((PLAIN, DEFT, RELU), OBJECTIVES, (), parse_policy(policy))


def test_they_are_counted_and_no_front_members() -> None:
    front = findings().front
    assert front.n_saturated == 2
    assert front.n_candidates == 7
    assert not any(member.point.float_saturation for member in front.members)
    assert {m.name for m in front.members} == {
        f"{PLAIN.trial_id}@0.01",
        f"{PLAIN.trial_id}@0.5",
        f"{DEFT.trial_id}@0.01",
        f"{DEFT.trial_id}@0.5",
    }
    assert set(findings().membership.probabilities) == {m.name for m in front.members}
    assert hypervolumes(findings().history)[-1] == pytest.approx(front.hypervolume)


def test_exact_zeros_without_a_threshold_compete() -> None:
    only = Findings((RELU,), OBJECTIVES).front
    assert [member.name for member in only.members] == [f"{RELU.trial_id}@0"]


def test_objectives_that_count_no_zeros_are_not_concerned() -> None:
    front = Findings((PLAIN, DEFT, RELU), ("score", "loss")).front
    assert front.n_saturated == 0
    assert front.members[0].name == f"{PLAIN.trial_id}@0"


def test_limits_still_compare_with_them() -> None:
    made = findings(SPARSEST)
    assert made.baselines["peft"].name == f"{PLAIN.trial_id}@0"
    # Nothing else keeps the limit, so the baseline itself is what can be shipped.
    assert made.choice.member is not None
    assert made.choice.member.name == f"{PLAIN.trial_id}@0"


def test_a_policy_on_the_density_takes_a_threshold_and_one_on_the_score_the_best_score() -> None:
    wider = findings(f"{SPARSEST} - 0.015").choice.member
    assert wider is not None
    assert wider.name == f"{PLAIN.trial_id}@0.01"
    best = findings("best score").choice.member
    assert best is not None
    assert best.name == f"{PLAIN.trial_id}@0"


def test_of_the_chain_only_the_baseline_is_one() -> None:
    made, policy = findings(), parse_policy(f"{SPARSEST} - 0.05")
    chain = make_chain(made.pool, made.baselines, policy, policy.where, n_examples=1000, alpha=0.05)
    names = [one.name for one in chain.candidates]
    assert names[0] == f"{PLAIN.trial_id}@0"
    assert f"{DEFT.trial_id}@0" not in names
    assert len(names) > 1


def test_at_equal_density_they_are_not_compared() -> None:
    whole, low, high = at_equal_density(DEFT, PLAIN)
    assert whole.difference is None
    assert "float saturation" in whole.note
    assert low.plain_thresholds == ("0.01", "0.5")
    assert high.difference is None


def test_tables_json_and_figure_mark_them() -> None:
    front = front_table(findings().front)
    assert "2 points without a threshold are left out" in front.note
    cells = [cell for row in trials_table((PLAIN, RELU), 0.0).rows for cell in row.cells]
    assert sum("float saturation" in cell for cell in cells) == 1
    marks = [member_dict(m)["float_saturation"] for m in configurations((PLAIN,))]
    assert marks == [True, False, False]
    assert "no threshold: float saturation" in scatter(findings())

"""A policy with a band: a little of one metric never costs much of another."""

from deft_sweeps.findings import choose
from deft_sweeps.findings.front_member import candidates
from deft_sweeps.findings.limit_check import keeps
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.report import choice_text
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
SPARSEST = result(point(0.0, 0.75, 0.100), weight=1.0)
NEAR = result(point(0.0, 0.80, 0.104), weight=2.0)
FAR = result(point(0.0, 0.85, 0.120), weight=3.0)


def test_the_second_metric_decides_within_the_band() -> None:
    results = (SPARSEST, NEAR, FAR)
    for policy, expected in (
        ("best activation_density", SPARSEST),
        ("best activation_density within 5 %, then score", NEAR),
        ("best activation_density within 30 %, then score", FAR),
    ):
        chosen = choose(results, OBJECTIVES, (), parse_policy(policy))
        assert chosen.member is not None
        assert chosen.member.result == expected
    assert "among those within 0.3 of the lowest activation_density" in choice_text.why(chosen)


def test_the_second_metric_may_be_no_objective() -> None:
    chosen = choose(
        (SPARSEST, NEAR),
        OBJECTIVES,
        (),
        parse_policy("best activation_density within 5 %, then weight_bytes"),
    )
    assert chosen.member is not None


def test_a_strict_limit_is_broken_by_its_bound() -> None:
    (member,) = candidates([SPARSEST])
    at_bound = f"score {{}} {member.values['score']}"
    assert keeps(member, parse_constraint(at_bound.format(">=")), {})
    assert not keeps(member, parse_constraint(at_bound.format(">")), {})

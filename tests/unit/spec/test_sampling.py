from dataclasses import replace

from deft_sweeps.objective import parse_constraint
from deft_sweeps.spec.sampling import gp_refuses, pick
from deft_sweeps.spec.schema import Budget, Search, SweepSpec
from tests.fakes import fake_spec

FLAT = tuple(c for c in fake_spec().combinations if c.template.density.kind == "none")


def asked(trials: int, sampler: str = "auto", combinations: object = None, objectives: tuple[str, ...] = ("score", "loss")) -> SweepSpec:
    spec = replace(fake_spec(), objectives=objectives, budget=Budget(trials=trials), search=Search(sampler=sampler, startup=10))  # type: ignore[arg-type]
    return replace(spec, combinations=combinations) if combinations else spec  # type: ignore[arg-type]


def test_auto_picks_our_own_and_says_why() -> None:
    for spec in (asked(10), asked(600, combinations=FLAT), asked(60, objectives=("score", "loss", "latency_sec", "weight_bytes"))):
        assert pick(spec).name == "front"
        assert pick(spec).told().startswith("sampler: front, picked because it learns from every threshold")
    single = asked(10, combinations=(replace(FLAT[0], open={}),))
    assert pick(single).told() == "sampler: random, picked because the space has a single configuration"


def test_a_sampler_that_is_named_is_taken_as_it_is() -> None:
    assert pick(asked(60, "nsga2")).told() == "sampler: nsga2"
    limits = [parse_constraint("weight_bytes <= 1 MiB")]
    assert pick(asked(60, "nsga2")).told(limits).endswith("it sees how far a trial breaks the limits")
    assert pick(asked(60, "random")).told(limits).endswith("it does not see the limits, which the front judges")


def test_gp_says_which_parameter_it_cannot_model() -> None:
    assert gp_refuses(FLAT) is None
    assert gp_refuses(fake_spec().combinations) == "gp needs every parameter in every combination; density.loss.weight is open in 4 of 8"
    assert gp_refuses([replace(FLAT[0], open={})]) == "gp needs something to search; the space has one combination and nothing open"


def test_limits_on_a_proxy_are_named_apart() -> None:
    """The search acts on the others alone."""
    proxy, other = parse_constraint("latency_sec <= 20 ms"), parse_constraint("weight_bytes <= 1 MiB")
    told = pick(asked(60, "tpe")).told([proxy])
    assert told.endswith("`latency_sec <= 0.02`: judged by a proxy, so only the choice looks at it, never the search")
    assert "how far a trial breaks" not in told
    assert "it sees how far a trial breaks the limits; `latency_sec" in pick(asked(60, "tpe")).told([proxy, other])
    assert replace(asked(60), limits=(proxy, other)).search_limits == (other,)

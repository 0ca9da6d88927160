from dataclasses import replace

import pytest

from deft_sweeps.objective import parse_constraint
from deft_sweeps.spec.sampling import gp_refuses, pick
from deft_sweeps.spec.schema import Budget, Search, SweepSpec
from tests.fakes import fake_spec

FLAT = tuple(c for c in fake_spec().combinations if c.template.density.kind == "none")


def asked(trials: int, sampler: str = "auto", combinations: object = None, objectives: tuple[str, ...] = ("score", "loss")) -> SweepSpec:
    spec = replace(fake_spec(), objectives=objectives, budget=Budget(trials=trials), search=Search(sampler=sampler, startup=10))  # type: ignore[arg-type]
    return replace(spec, combinations=combinations) if combinations else spec  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "name", "why"),
    [
        (asked(10), "random", "a budget of 10 trials ends with the 10"),
        (asked(60), "tpe", "only some of the 8 combinations"),
        (asked(60, combinations=FLAT), "gp", "1 open parameters, the same in all combinations"),
        (asked(600, combinations=FLAT), "tpe", ""),
        (asked(200, objectives=("score", "loss", "latency_sec", "weight_bytes")), "nsga3", "4 objectives"),
        (asked(60, objectives=("score", "loss", "latency_sec", "weight_bytes")), "tpe", ""),
    ],
)
def test_auto_picks_by_space_objectives_and_budget_and_says_why(spec: SweepSpec, name: str, why: str) -> None:
    picked = pick(spec)
    assert picked.name == name
    assert why in picked.why
    assert picked.told().startswith(f"sampler: {name}, picked because ")


def test_a_sampler_that_is_named_is_taken_as_it_is() -> None:
    assert pick(asked(60, "nsga2")).told() == "sampler: nsga2"
    limits = [parse_constraint("weight_bytes <= 1 MiB")]
    assert pick(asked(60, "nsga2")).told(limits).endswith("it sees how far a trial breaks the limits")
    assert pick(asked(60, "random")).told(limits).endswith("it does not see the limits, which the front judges")


def test_gp_says_which_parameter_it_cannot_model() -> None:
    assert gp_refuses(FLAT) is None
    assert gp_refuses(fake_spec().combinations) == "gp needs every parameter in every combination; density.loss.weight is open in 4 of 8"
    assert gp_refuses([replace(FLAT[0], open={})]) == "gp needs something to search; the space has one combination and nothing open"

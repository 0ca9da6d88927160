"""Specs of searches: every sampler, with and without limits."""

from dataclasses import replace

from deft_sweeps.objective import parse_constraint
from deft_sweeps.specification.sampler_entry import ConcreteName
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from tests.fakes import fake_spec, plain

LIMITS = {
    "plain": (),
    "limits": (
        parse_constraint("activation_density <= 0.6"),
        parse_constraint("score >= baseline(peft) - 0.05"),
    ),
}


def spec_for(name: ConcreteName, limits: str, trials: int = 7, concurrency: int = 2) -> SweepSpec:
    spec = fake_spec(trials, first=(plain(1e-3),), concurrency=concurrency)
    if name == "gp":
        spec = replace(
            spec,
            combinations=tuple(c for c in spec.combinations if c.template.density.kind == "none"),
        )
    return replace(spec, limits=LIMITS[limits], search=Search(sampler=name, startup=3, seed=3))

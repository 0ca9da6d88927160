from dataclasses import replace

from deft_sweeps.objective import parse_constraint
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.sampler_choice import choose_sampler, why_not_suited
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Budget, Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from tests.fakes import fake_spec

FLAT = tuple(c for c in fake_spec().combinations if c.template.density.kind == "none")


def spec_for(
    trials: int,
    sampler: SamplerName = "auto",
    combinations: tuple[Combination, ...] = (),
    objectives: tuple[str, ...] = ("score", "loss"),
) -> SweepSpec:
    search = Search(sampler=sampler, startup=10)
    spec = replace(fake_spec(), objectives=objectives, budget=Budget(trials), search=search)
    return replace(spec, combinations=combinations) if combinations else spec


def test_auto_picks_our_own_and_says_why() -> None:
    for spec in (
        spec_for(10),
        spec_for(600, combinations=FLAT),
        spec_for(60, objectives=("score", "loss", "latency_sec", "weight_bytes")),
    ):
        assert choose_sampler(spec).name == "front"
        assert (
            choose_sampler(spec)
            .describe()
            .startswith("sampler: front, picked because it learns from every threshold")
        )
    single = spec_for(10, combinations=(replace(FLAT[0], open={}),))
    assert (
        choose_sampler(single).describe()
        == "sampler: random, picked because the space has a single configuration"
    )


def test_a_sampler_that_is_named_is_taken_as_it_is() -> None:
    assert choose_sampler(spec_for(60, "nsga2")).describe() == "sampler: nsga2"
    limits = [parse_constraint("weight_bytes <= 1 MiB")]
    assert (
        choose_sampler(spec_for(60, "nsga2"))
        .describe(limits)
        .endswith("it sees how far a trial breaks the limits")
    )
    assert (
        choose_sampler(spec_for(60, "random"))
        .describe(limits)
        .endswith("it does not see the limits, which the front judges")
    )


def test_gp_says_which_parameter_it_cannot_model() -> None:
    assert why_not_suited("gp", FLAT) is None
    assert (
        why_not_suited("gp", fake_spec().combinations)
        == "gp needs every parameter in every combination; density.loss.weight is open in 4 of 8"
    )
    assert (
        why_not_suited("gp", [replace(FLAT[0], open={})])
        == "gp needs something to search; the space has one combination and nothing open"
    )


def test_limits_on_a_proxy_are_named_apart() -> None:
    """The search acts on the others alone."""
    proxy = parse_constraint("latency_sec <= 20 ms")
    other = parse_constraint("weight_bytes <= 1 MiB")
    alone = choose_sampler(spec_for(60, "tpe")).describe([], [proxy])
    judged = (
        "judged once each structure was measured alone, after the search, which therefore excludes"
        " nothing by it"
    )
    assert alone.endswith(f"`latency_sec <= 20 ms`: {judged}")
    assert "how far a trial breaks" not in alone
    both = choose_sampler(spec_for(60, "tpe")).describe([other], [proxy])
    assert "it sees how far a trial breaks the limits; `latency_sec" in both
    spec = replace(spec_for(60), limits=(proxy, other))
    assert (spec.search_limits, spec.later_limits) == ((other,), (proxy,))

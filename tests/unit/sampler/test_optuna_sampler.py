"""Optuna's samplers by name."""

import json
import math
import warnings
from pathlib import Path
from typing import get_args

import optuna
import pytest

from deft_sweeps.sampler.optuna_sampler import OPTUNA_SAMPLERS, make_sampler
from deft_sweeps.specification.sampler_entry import SAMPLERS, ConcreteName, SamplerName
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.study.parameters import params, suggest
from tests.fakes import THRESHOLDS, fake_spec, surface

NAMES: tuple[SamplerName, ...] = ("tpe", "nsga2", "qmc", "random")


def proposals(search: Search, n: int) -> list[dict[str, object]]:
    spec = fake_spec()
    study = optuna.create_study(directions=["maximize", "minimize"])
    proposed = []
    for i in range(n):
        study.sampler = make_sampler(search, i)
        trial = study.ask()
        start = suggest(trial, spec)
        proposed.append(params(spec, start))
        study.tell(trial, surface(spec.config(start), 0, THRESHOLDS[1]))
    return proposed


def test_every_sampler_that_a_spec_can_name_has_an_entry() -> None:
    assert {*OPTUNA_SAMPLERS, "front"} == set(SAMPLERS) == set(get_args(ConcreteName))
    assert {*SAMPLERS, "auto"} == set(get_args(SamplerName))
    assert all(name == entry.name for name, entry in SAMPLERS.items())


def test_the_readme_says_what_each_is() -> None:
    text = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    for name, entry in SAMPLERS.items():
        assert f"| `{name}` | {entry.meaning} |" in text


def test_names_that_are_not_optunas_are_refused() -> None:
    with pytest.raises(ValueError, match="one of Optuna's samplers"):
        make_sampler(Search(sampler="front"), 0)


@pytest.mark.parametrize("name", NAMES)
def test_proposals_follow_from_the_seed_alone(name: SamplerName) -> None:
    search = Search(sampler=name, startup=4, seed=7)
    first = proposals(search, 14)
    assert first == proposals(search, 14)
    assert first != proposals(Search(sampler=name, startup=4, seed=8), 14)


@pytest.mark.parametrize("name", NAMES)
def test_no_proposal_is_another_again(name: SamplerName) -> None:
    """Each is made by a new sampler; with the sweep's seed alone, all random ones were equal."""
    proposed = proposals(Search(sampler=name, startup=14, seed=7), 14)
    assert len({json.dumps(proposal, sort_keys=True) for proposal in proposed}) == 14


@pytest.mark.parametrize("name", OPTUNA_SAMPLERS)
def test_making_one_warns_of_nothing(name: SamplerName) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_sampler(Search(sampler=name), 3)


def test_tpe_learns_where_a_small_random_search_does_not_look() -> None:
    """After the start-up trials, TPE's proposals are denser about the best learning rate, 1e-3."""

    def distance(name: SamplerName) -> float:
        late = [
            p
            for seed in range(3)
            for p in proposals(Search(sampler=name, startup=8, seed=seed), 40)[20:]
        ]
        rates = [float(str(p["training.learning_rate"])) for p in late]
        return sum(abs(math.log10(rate) + 3) for rate in rates) / len(rates)

    assert distance("tpe") < 0.8 * distance("random")

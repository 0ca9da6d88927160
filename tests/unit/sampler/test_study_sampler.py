"""Proposals of Optuna's samplers that see a bounded part of the study."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from deft_sweeps.metrics import Direction
from deft_sweeps.sampler.study_sampler import BoundedSampler
from deft_sweeps.specification.sampler_entry import ConcreteName
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.study.parameters import params, suggest
from tests.fakes import THRESHOLDS, fake_spec, surface

DIRECTIONS: list[Direction] = ["maximize", "minimize"]
NAMES: tuple[ConcreteName, ...] = ("tpe", "nsga2", "nsga3", "qmc", "random")


def proposals(
    name: ConcreteName, n: int, restart_every: int, seed: int = 5
) -> list[dict[str, object]]:
    """Proposals with two trials running at a time; each restart makes a new sampler."""
    spec, search = fake_spec(), Search(startup=4, seed=seed)
    study = optuna.create_study(directions=DIRECTIONS)
    proposed, live = [], []
    for i in range(n):
        if i % restart_every == 0:
            study.sampler = BoundedSampler(name, search)
        trial = study.ask()
        start = suggest(trial, spec)
        proposed.append(params(spec, start))
        live.append((trial, surface(spec.config(start), 0, THRESHOLDS[1])))
        if len(live) == 2:
            study.tell(*live.pop(0))
    return proposed


@pytest.mark.parametrize("name", NAMES)
def test_proposals_do_not_depend_on_when_the_sampler_was_begun(name: ConcreteName) -> None:
    through = proposals(name, 18, restart_every=99)
    assert proposals(name, 18, restart_every=1) == through
    assert proposals(name, 18, restart_every=5) == through
    assert proposals(name, 18, restart_every=99, seed=6) != through


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_generations_go_on_in_a_study_that_was_built_anew(name: ConcreteName) -> None:
    """A rebuilt study holds the same trials without what Optuna's samplers keep beside them."""
    spec, search = fake_spec(), Search(startup=4, seed=5)
    study = optuna.create_study(directions=DIRECTIONS, sampler=BoundedSampler(name, search))
    for _ in range(13):
        trial = study.ask()
        study.tell(trial, surface(spec.config(suggest(trial, spec)), 0, THRESHOLDS[1]))
    again = optuna.create_study(directions=DIRECTIONS, sampler=BoundedSampler(name, search))
    for ended in study.trials:
        again.add_trial(
            create_trial(
                params=ended.params, distributions=ended.distributions, values=ended.values
            )
        )
    assert [suggest(again.ask(), spec) for _ in range(3)] == [
        suggest(study.ask(), spec) for _ in range(3)
    ]


def test_nsga_breeds_from_the_best_of_its_generations() -> None:
    """The random generation's children are nearer the best learning rate than random points."""

    def distance(name: ConcreteName) -> float:
        rates = [
            float(str(p["training.learning_rate"]))
            for seed in range(3)
            for p in proposals(name, 80, 99, seed)[40:]
        ]
        return float(sum(abs(np.log10(rate) + 3) for rate in rates) / len(rates))

    assert distance("nsga2") < 0.85 * distance("random")


def test_gp_models_a_space_that_is_the_same_everywhere() -> None:
    base = fake_spec()
    spec = replace(
        base,
        combinations=tuple(c for c in base.combinations if c.template.density.kind == "none")[:2],
    )
    sampler = BoundedSampler("gp", Search(startup=4, seed=1))
    study = optuna.create_study(directions=DIRECTIONS, sampler=sampler)
    for number in range(6):
        trial = study.ask()
        study.tell(trial, surface(spec.config(suggest(trial, spec)), 0, THRESHOLDS[1]))
        is_modelled = any(key.startswith("gp:") for key in sampler.trial_attrs(number))
        assert is_modelled == (number >= 4), "or drawn at random"

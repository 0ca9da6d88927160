from dataclasses import replace

import optuna
import pytest

from deft_sweeps.config.axes import Lora
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.domain import Categorical, Domain, Int
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.study.optuna_study import ask_at
from deft_sweeps.study.parameters import distributions, params, start_of, suggest
from tests.fakes import fake_spec


@pytest.fixture
def spec() -> SweepSpec:
    """The fake sweep, with a choice between tuples and a whole number in every second
    combination.
    """
    base = fake_spec()
    more: dict[str, Domain] = {
        "peft.lora.targets": Categorical((("q", "v"), ("q", "v", "gate"))),
        "peft.lora.r": Int(2, 16, log=True),
    }
    combinations = [
        Combination(c.label, {**c.open, **more}, replace(c.template, peft=Lora(r=4)))
        if i % 2
        else c
        for i, c in enumerate(base.combinations)
    ]
    return replace(base, combinations=tuple(combinations))


def test_every_proposal_is_a_legal_configuration_and_comes_back_from_what_optuna_keeps(
    spec: SweepSpec,
) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    labels = set()
    for _ in range(60):
        trial = study.ask()
        start = suggest(trial, spec)
        labels.add(start.combination)
        assert spec.locate(spec.config(start)) == start
        assert params(spec, start) == trial.params
        assert start_of(spec, trial.params) == start
    assert labels == {c.label for c in spec.combinations}


def test_a_name_has_the_same_distribution_in_every_trial(spec: SweepSpec) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    every = distributions(spec)
    for _ in range(30):
        trial = study.ask()
        suggest(trial, spec)
        assert trial.distributions == {name: every[name] for name in trial.distributions}


def test_a_first_point_may_name_a_whole_number_where_the_choice_is_of_fractions() -> None:
    """`encoder_weight: 3` and `{choice: [1, 3]}` mean 3.0: the study must take the point as the
    choice's own.
    """
    text = """
name: whole
task: rotten-tomatoes
space:
  density: [none, loss: {encoder_weight: {choice: [1, 3]}, eps: {choice: [1e-3, 1e-2]}}]
first:
  - {density: {loss: {encoder_weight: 3}}}
objectives: [score, activation_density]
choose: knee
budget: {trials: 2}
"""
    spec = parse_spec(text, "whole.yaml")
    study = optuna.create_study()
    starts = [suggest(ask_at(study, spec, start), spec) for start in spec.first]
    assert [spec.config(start) for start in starts] == [spec.config(start) for start in spec.first]
    assert any(start.values.get("density.loss.encoder_weight") == 3 for start in starts)

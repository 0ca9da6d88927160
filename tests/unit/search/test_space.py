from dataclasses import replace

import optuna
import pytest

from deft_sweeps.config.axes import Lora
from deft_sweeps.search.space import distributions, fingerprint, params, start_of, suggest
from deft_sweeps.spec.domain import Choice, Domain, Int
from deft_sweeps.spec.schema import Combination, SweepSpec
from tests.fakes import fake_spec


@pytest.fixture
def spec() -> SweepSpec:
    """The fake sweep, with a choice between tuples and a whole number in every second combination."""
    base = fake_spec()
    more: dict[str, Domain] = {"peft.lora.targets": Choice((("q", "v"), ("q", "v", "gate"))), "peft.lora.r": Int(2, 16, log=True)}
    combinations = [
        Combination(c.label, {**c.open, **more}, replace(c.template, peft=Lora(r=4))) if i % 2 else c
        for i, c in enumerate(base.combinations)
    ]
    return replace(base, combinations=tuple(combinations))


def test_every_proposal_is_a_legal_configuration_and_comes_back_from_what_optuna_keeps(spec: SweepSpec) -> None:
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


def test_the_fingerprint_tells_spaces_and_objectives_apart(spec: SweepSpec) -> None:
    assert fingerprint(spec) == fingerprint(replace(spec, name="other", trial_seed=5))
    assert fingerprint(spec) != fingerprint(replace(spec, combinations=spec.combinations[:-1]))
    assert fingerprint(spec) != fingerprint(replace(spec, objectives=("score", "latency_sec")))
    assert fingerprint(spec) != fingerprint(fake_spec())

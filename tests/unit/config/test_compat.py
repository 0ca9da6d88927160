from dataclasses import replace

import pytest

from deft_sweeps.config.axes import DensityLoss, Lora, Magnitude, SparseGpt, Training, Wanda
from deft_sweeps.config.compat import RULES, illegal
from deft_sweeps.config.trial import TrialConfig

ILLEGAL = {
    "does not split": TrialConfig(density=DensityLoss(reduction="feature_map"), training=Training(accumulation=2)),
    "eps has no effect": TrialConfig(density=DensityLoss(surrogate="tanh", eps=1e-3)),
    "beta has no effect": TrialConfig(density=DensityLoss(surrogate="l0", beta=5.0)),
    "eps_start has no effect": TrialConfig(density=DensityLoss(surrogate="tanh", eps_start=1e-2)),
    "equals eps": TrialConfig(density=DensityLoss(eps=1e-3, eps_start=1e-3)),
    "eps_anneal has no effect": TrialConfig(density=DensityLoss(eps_anneal=0.2)),
    "sparsity is 0.5": TrialConfig(pruning=Wanda(pattern="2:4", sparsity=0.3)),
    "not pruned": TrialConfig(peft=Lora(masked=True)),
}


@pytest.mark.parametrize("word", ILLEGAL)
def test_says_why(word: str) -> None:
    assert word in (illegal(ILLEGAL[word]) or "")


def test_every_rule_has_an_example() -> None:
    assert all(any(rule.breaks(config) for config in ILLEGAL.values()) for rule in RULES)


def test_all_reasons_are_told() -> None:
    both = replace(ILLEGAL["does not split"], density=DensityLoss(reduction="feature_map", surrogate="tanh", eps=1e-3))
    assert "does not split" in (illegal(both) or "")
    assert "eps has no effect" in (illegal(both) or "")


@pytest.mark.parametrize(
    "config",
    [
        TrialConfig(),
        TrialConfig(density=DensityLoss(reduction="feature_map")),
        TrialConfig(density=DensityLoss(surrogate="tanh", beta=5.0)),
        TrialConfig(density=DensityLoss(eps=1e-3), training=Training(accumulation=4)),
        TrialConfig(density=DensityLoss(eps=1e-3, eps_start=1e-1, eps_anneal=0.2, weight_warmup=0.1)),
        TrialConfig(peft=Lora(masked=True), pruning=SparseGpt(pattern="4:8")),
        TrialConfig(pruning=Magnitude(sparsity=0.3)),
    ],
)
def test_legal(config: TrialConfig) -> None:
    assert illegal(config) is None

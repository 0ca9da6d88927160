from dataclasses import replace

import pytest

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    DensityLoss,
    Int8,
    Lora,
    Magnitude,
    Nf4,
    SparseGpt,
    Training,
    Wanda,
)
from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import TrialConfig

ILLEGAL = {
    "does not split": TrialConfig(
        density=DensityLoss(reduction="feature_map"), training=Training(accumulation=2)
    ),
    "eps has no effect": TrialConfig(density=DensityLoss(surrogate="tanh", eps=1e-3)),
    "beta has no effect": TrialConfig(density=DensityLoss(surrogate="l0", beta=5.0)),
    "cannot be taken of an int8 weight": TrialConfig(peft=Lora(dora=True), quantization=Int8()),
    "DoRA's with it": TrialConfig(peft=Lora(dora=True, masked=True), pruning=Wanda()),
    "AdaLoRA shares its ranks": TrialConfig(peft=AdaLora(), adaptive=AdaDeft()),
    "AdaLoRA needs a step": TrialConfig(
        peft=AdaLora(final_share=0.8, warmup_share=0.0), training=Training(steps=5)
    ),
    "eps_start_factor has no effect": TrialConfig(
        density=DensityLoss(surrogate="tanh", eps_start_factor=100.0)
    ),
    "eps_anneal has no effect": TrialConfig(density=DensityLoss(eps_anneal=0.2)),
    "sparsity is 0.5": TrialConfig(pruning=Wanda(pattern="2:4", sparsity=0.3)),
    "not pruned": TrialConfig(peft=Lora(masked=True)),
}


@pytest.mark.parametrize("word", ILLEGAL)
def test_says_why(word: str) -> None:
    assert word in (illegal(ILLEGAL[word]) or "")


def test_all_reasons_are_told() -> None:
    both = replace(
        ILLEGAL["does not split"],
        density=DensityLoss(reduction="feature_map", surrogate="tanh", eps=1e-3),
    )
    assert "does not split" in (illegal(both) or "")
    assert "eps has no effect" in (illegal(both) or "")


@pytest.mark.parametrize(
    "config",
    [
        TrialConfig(),
        TrialConfig(density=DensityLoss(reduction="feature_map")),
        TrialConfig(density=DensityLoss(surrogate="tanh", beta=5.0)),
        TrialConfig(density=DensityLoss(eps=1e-3), training=Training(accumulation=4)),
        TrialConfig(peft=Lora(dora=True), quantization=Nf4()),
        TrialConfig(peft=Lora(rslora=True), quantization=Int8()),
        TrialConfig(peft=AdaLora(), training=Training(steps=2)),
        TrialConfig(
            density=DensityLoss(eps=1e-3, eps_start_factor=100.0, eps_anneal=0.2, weight_warmup=0.1)
        ),
        TrialConfig(peft=Lora(masked=True), pruning=SparseGpt(pattern="4:8")),
        TrialConfig(pruning=Magnitude(sparsity=0.3)),
    ],
)
def test_legal(config: TrialConfig) -> None:
    assert illegal(config) is None

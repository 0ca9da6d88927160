"""Trainable over all parameters, adapters included, of the real architectures without weights: the shares that the paper prints."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.config.axes import Adapter, Lora
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import layout
from deft_sweeps.models.known import KNOWN_CONFIGS
from deft_sweeps.sweep.resources import trainable_parameters

PRINTED = [
    ("t5-small", Adapter(reduction=32), 0.33),
    ("t5-small", Lora(r=16, alpha=16), 0.96),
    ("t5-base", Adapter(reduction=32), 0.40),
    ("t5-base", Lora(r=16, alpha=16), 0.78),
    ("google/flan-t5-xl", Adapter(reduction=16), 0.87),
]


@pytest.mark.parametrize(("name", "method", "percent"), PRINTED)
def test_shares_of_the_paper_truncated_to_two_decimals(name: str, method: Any, percent: float) -> None:
    config, shape = KNOWN_CONFIGS[name], layout(KNOWN_CONFIGS[name])
    with torch.device("meta"):
        model = attach(T5ForConditionalGeneration(T5Config(**config)), shape, method)
    n_trained = sum(p.numel() for p in trained_parameters(model).values())
    assert n_trained == trainable_parameters(replace(TrialConfig(), peft=method), shape)
    assert math.floor(10_000 * n_trained / (shape.n_parameters + n_trained)) / 100 == percent

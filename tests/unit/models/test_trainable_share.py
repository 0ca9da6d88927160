"""Trainable over all parameters, adapters included, of the real architectures without weights: the
shares that the paper prints.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.config.axes import Adapter, Lora
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import PUBLISHED_CONFIGS, family_of, layout
from deft_sweeps.projection.trial_estimate import trainable_parameters
from deft_sweeps.trial.heads import HeadSpec, with_head

PRINTED = [
    ("t5-small", Adapter(reduction=32), 0.33),
    ("t5-small", Lora(r=16, alpha=16), 0.96),
    ("t5-base", Adapter(reduction=32), 0.40),
    ("t5-base", Lora(r=16, alpha=16), 0.78),
    ("google/flan-t5-xl", Adapter(reduction=16), 0.87),
]


@pytest.mark.parametrize(("name", "method", "percent"), PRINTED)
def test_shares_of_the_paper_truncated_to_two_decimals(
    name: str, method: Any, percent: float
) -> None:
    config, shape = PUBLISHED_CONFIGS[name], layout(PUBLISHED_CONFIGS[name])
    with torch.device("meta"):
        model = attach(T5ForConditionalGeneration(T5Config(**config)), shape, method)
    n_trained = sum(p.numel() for p in trained_parameters(model).values())
    assert n_trained == trainable_parameters(replace(TrialConfig(), peft=method), shape)
    assert math.floor(10_000 * n_trained / (shape.n_parameters + n_trained)) / 100 == percent


@pytest.mark.parametrize(
    "method",
    [Lora(r=8), Lora(r=4, targets=("q", "k", "v", "o", "gate", "down")), Adapter(reduction=16)],
)
@pytest.mark.parametrize("name", ["bert-base-uncased", "roberta-large"])
def test_an_encoders_method_and_head_are_counted_before_there_are_weights(
    name: str, method: Any
) -> None:
    config, shape = PUBLISHED_CONFIGS[name], layout(PUBLISHED_CONFIGS[name])
    with torch.device("meta"):
        model: Any
        if name.startswith("roberta"):
            model = RobertaModel(RobertaConfig(**config), add_pooling_layer=False)
        else:
            model = BertModel(BertConfig(**config))
        headed = with_head(
            model, attach(model, shape, method), shape, HeadSpec("classification", 2)
        )
    n_trained = sum(p.numel() for p in trained_parameters(headed).values())
    assert n_trained == trainable_parameters(
        replace(TrialConfig(), peft=method), shape
    ) + family_of(shape).head_parameters(shape, 2)
    assert n_trained < 0.03 * shape.n_parameters

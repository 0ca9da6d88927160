from typing import get_args

import pytest

from deft_sweeps.config import axes
from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    DensityLoss,
    Fp4,
    Int8,
    Lora,
    Nf4,
    Peft,
    PTuning,
    Quantization,
)
from deft_sweeps.config.label import label, settings
from deft_sweeps.config.trial import TrialConfig


@pytest.mark.parametrize(
    ("peft", "word"),
    [
        (Lora(r=4), "LoRA r4 on q v"),
        (Lora(rslora=True), "rsLoRA r8 on q v"),
        (Lora(dora=True), "DoRA r8 on q v"),
        (Lora(rslora=True, dora=True), "rsDoRA r8 on q v"),
        (AdaLora(targets=("down",)), "AdaLoRA r8 on down"),
        (PTuning(), "P-tuning 20"),
        (Adapter(), "adapter /16"),
        (Adapter(placement="houlsby"), "houlsby adapter /16"),
    ],
)
def test_method(peft: Peft, word: str) -> None:
    assert label(TrialConfig(peft=peft)).split(" · ")[0] == word


@pytest.mark.parametrize(
    ("quantization", "word"), [(Nf4(double=True), "NF4 double"), (Fp4(), "FP4"), (Int8(), "int8")]
)
def test_quantization(quantization: Quantization, word: str) -> None:
    assert word in label(TrialConfig(quantization=quantization)).split(" · ")


def test_no_two_members_read_alike() -> None:
    methods = [label(TrialConfig(peft=member())) for member in get_args(axes.Peft)]
    packed = [label(TrialConfig(quantization=member())) for member in get_args(axes.Quantization)]
    assert len(set(methods)) == len(methods)
    assert len(set(packed)) == len(packed)


def test_settings_are_every_field_by_its_dotted_name() -> None:
    words = settings(TrialConfig(peft=Lora(dora=True)))
    assert words["peft.dora"] == "True"
    assert words["training.steps"] == "100"


@pytest.mark.parametrize(
    ("adaptive", "words"),
    [
        (AdaDeft(skip=4), "DEFT 1 (l0, eps 1e-07) · ADA 0.1 skip 4 · NF4"),
        (AdaDeft(weight=0.05), "DEFT 1 (l0, eps 1e-07) · ADA 0.05 · NF4"),
    ],
)
def test_block_gates_stand_behind_the_density_loss(adaptive: AdaDeft, words: str) -> None:
    assert words in label(TrialConfig(density=DensityLoss(), quantization=Nf4(), adaptive=adaptive))


def test_without_block_gates_the_label_is_silent_about_them() -> None:
    assert label(TrialConfig()) == "LoRA r8 on q v · plain · lr 0.001"
    assert settings(TrialConfig(adaptive=AdaDeft(skip=2)))["adaptive.skip"] == "2"


def test_a_stack_that_weighs_more_is_named() -> None:
    assert "DEFT 1 (l0, eps 1e-07, encoder × 3)" in label(
        TrialConfig(density=DensityLoss(encoder_weight=3.0))
    )
    tanh = DensityLoss(surrogate="tanh", decoder_weight=0.5)
    assert "DEFT 1 (tanh, beta 20, decoder × 0.5)" in label(TrialConfig(density=tanh))

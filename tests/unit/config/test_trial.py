from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    DensityLoss,
    Ia3,
    Int8,
    Lora,
    Nf4,
    Oft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Training,
    Vera,
    Wanda,
)
from deft_sweeps.config.trial import Evaluation, TrialConfig, canonical, codec

FULL = TrialConfig(
    activation="relu",
    peft=Adapter(reduction=8),
    density=DensityLoss(weight=0.3, eps=1e-3),
    adaptive=AdaDeft(skip=3, recover_share=0.2),
    quantization=Nf4(double=True),
    pruning=Wanda(sparsity=0.4),
    training=Training(steps=7),
    dtype="fp32",
)


def test_round_trip() -> None:
    read = codec(TrialConfig).validate_json(codec(TrialConfig).dump_json(FULL))
    assert read == FULL
    assert hash(read) == hash(FULL)
    assert read.config_id == FULL.config_id


def test_config_id_is_stable_and_tells_apart() -> None:
    assert (
        TrialConfig().config_id
        == TrialConfig(peft=Lora(r=8), training=Training(steps=100)).config_id
    )
    assert (
        len({c.config_id for c in (TrialConfig(), FULL, replace(FULL, activation="pretrained"))})
        == 3
    )
    assert FULL.trial_id(3) == f"{FULL.config_id}-s3"


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e-1))
def test_any_float_survives_json(weight: float, rate: float) -> None:
    config = TrialConfig(density=DensityLoss(weight=weight), training=Training(learning_rate=rate))
    assert (
        codec(TrialConfig).validate_json(codec(TrialConfig).dump_json(config)).config_id
        == config.config_id
    )


def test_config_ids_outlive_new_settings() -> None:
    """Of a configuration from before LoRA had variants and adapters a placement."""
    assert canonical(Lora(r=4)) == {"kind": "lora", "r": 4.0}
    assert canonical(Adapter(reduction=8)) == {"kind": "adapter", "reduction": 8.0}


def test_an_axis_added_later_leaves_the_ids_of_before() -> None:
    """Of the default configuration and of one with many settings, taken before `adaptive` was a
    field.
    """
    assert TrialConfig().config_id == "44136fa355b3"
    assert replace(FULL, adaptive=TrialConfig().adaptive).config_id == "2aad8ee052bf"


def test_plain_peft() -> None:
    assert TrialConfig().is_plain_peft
    changes = (
        {"density": DensityLoss()},
        {"activation": "relu"},
        {"quantization": Nf4()},
        {"pruning": Wanda()},
        {"adaptive": AdaDeft()},
    )
    for change in changes:
        assert not replace(TrialConfig(), **change).is_plain_peft


def test_a_named_member_takes_the_place_of_what_the_kind_asks_of_its_axis() -> None:
    nf4, plain = replace(TrialConfig(), quantization=Nf4()), TrialConfig()
    assert nf4.is_baseline("peft, quantization: nf4")
    assert not plain.is_baseline("peft, quantization: nf4")
    assert plain.is_baseline("peft, peft: lora, activation: pretrained")
    assert not replace(nf4, density=DensityLoss()).is_baseline("peft, quantization: nf4")
    assert not nf4.is_baseline("plain, quantization: int8")
    assert replace(nf4, density=DensityLoss()).is_baseline("dense, quantization: nf4")
    assert not nf4.is_baseline("dense, peft: ia3")


@pytest.mark.parametrize(
    "settings",
    [
        {"thresholds": (0.1, 0.2)},
        {"thresholds": (0.0, 0.2, 0.1)},
        {"thresholds": ()},
        {"objective_threshold": 0.3},
        {"batch_size": 0},
    ],
)
def test_evaluation_refuses(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Evaluation(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "settings"),
    [
        (Lora, {"r": 0}),
        (Lora, {"dropout": 1.0}),
        (Lora, {"targets": ()}),
        (Lora, {"targets": ("q", "q")}),
        (Adapter, {"reduction": 0}),
        (Adapter, {"scale": 0.0}),
        (AdaLora, {"r": 0}),
        (AdaLora, {"extra": 0}),
        (AdaLora, {"warmup_share": 0.5, "final_share": 0.5}),
        (AdaLora, {"warmup_share": -0.1}),
        (AdaLora, {"every": 0}),
        (AdaLora, {"smoothing": 1.0}),
        (AdaLora, {"orthogonal_weight": -1.0}),
        (Ia3, {"targets": ()}),
        (Vera, {"r": 0}),
        (Vera, {"d_initial": 0.0}),
        (Oft, {"block": 1}),
        (PrefixTuning, {"virtual_tokens": 0}),
        (PromptTuning, {"virtual_tokens": 0}),
        (PTuning, {"hidden": 0}),
        (Int8, {"outlier_threshold": 0.0}),
        (DensityLoss, {"weight": 0.0}),
        (DensityLoss, {"encoder_weight": 0.0, "decoder_weight": 0.0}),
        (DensityLoss, {"encoder_weight": -1.0}),
        (Wanda, {"sparsity": 1.0}),
        (AdaDeft, {"skip": -1}),
        (AdaDeft, {"weight": -0.1}),
        (AdaDeft, {"weight": 0.0}),
        (AdaDeft, {"travel": 0.0}),
        (AdaDeft, {"recover_share": 1.0}),
        (Training, {"accumulation": 17}),
        (Training, {"learning_rate": 0.0}),
        (TrialConfig, {"base_dropout": 1.0}),
    ],
)
def test_out_of_range_is_refused(of: type[object], settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        of(**settings)

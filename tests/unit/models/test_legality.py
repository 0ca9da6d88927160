from dataclasses import replace

import pytest

from deft_sweeps.config.axes import AdaDeft, Adapter, DensityLoss, Lora, Magnitude, SparseGpt, Wanda
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.models.legality import misfits, unmeasured

GATED = layout(read_config("google/flan-t5-small"))
UNGATED = layout(read_config("t5-small"))


@pytest.mark.parametrize("peft", [Lora(targets=("q", "k", "v", "o", "gate", "up", "down")), Lora(r=64), Adapter(reduction=512)])
def test_fits(peft: Lora | Adapter) -> None:
    assert misfits(TrialConfig(peft=peft), GATED) == []


ENCODER = layout(read_config("roberta-base"))


def test_what_an_encoder_never_measures_is_told() -> None:
    told = unmeasured(["score", "decoder_density", "written_density"], ENCODER, writes=False)
    assert [line.split()[0] for line in told] == ["decoder_density", "written_density"]
    assert "has no decoder" in told[0]
    assert unmeasured(["score", "decoder_density", "written_density"], GATED, writes=True) == []
    assert [line.split()[0] for line in unmeasured(["written_density"], GATED, writes=False)] == ["written_density"]


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (DensityLoss(encoder_weight=0.0), "leaves nothing of the density loss"),
        (DensityLoss(decoder_weight=0.5), "no effect on roberta-base"),
        (DensityLoss(stacks="mean"), "no effect on roberta-base"),
    ],
)
def test_a_density_loss_on_a_stack_that_is_not_there(loss: DensityLoss, words: str) -> None:
    (told,) = misfits(TrialConfig(model="roberta-base", density=loss), ENCODER)
    assert words in told
    assert misfits(TrialConfig(density=loss), GATED) == []
    assert misfits(TrialConfig(model="roberta-base", density=DensityLoss()), ENCODER) == []


def test_an_ungated_mlp_has_no_up() -> None:
    config = TrialConfig(model="t5-small", peft=Lora(targets=("q", "up")))
    assert misfits(config, UNGATED) == ["lora targets up, but t5-small has only q, k, v, o, gate, down"]


def test_one_block_always_stays() -> None:
    assert misfits(TrialConfig(adaptive=AdaDeft(skip=15)), GATED) == []
    (told,) = misfits(TrialConfig(adaptive=AdaDeft(skip=16)), GATED)
    assert "none of the 16 MLP blocks" in told


@pytest.mark.parametrize(
    ("peft", "words"), [(Lora(r=400), "r 400 is more than the width of q, v"), (Adapter(reduction=513), "513 is more")]
)
def test_too_wide(peft: Lora | Adapter, words: str) -> None:
    (told,) = misfits(replace(TrialConfig(), peft=peft), GATED)
    assert words in told


def test_a_pattern_must_divide_every_number_of_inputs() -> None:
    shape = layout({"model_type": "t5", "d_model": 12, "d_ff": 18, "d_kv": 6, "num_heads": 3, "num_layers": 1, "vocab_size": 32})
    assert misfits(TrialConfig(pruning=Wanda(pattern="2:4")), GATED) == []
    assert misfits(TrialConfig(pruning=Magnitude()), shape) == []
    (told,) = misfits(TrialConfig(pruning=Wanda(pattern="2:4")), shape)
    assert told.endswith("groups of 4 needs layers whose number of inputs it divides, but o has 18, down has 18")
    (told,) = misfits(TrialConfig(pruning=SparseGpt(pattern="4:8")), shape)
    assert "q has 12" in told

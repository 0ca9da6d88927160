from dataclasses import replace

import pytest

from deft_sweeps.config.axes import (
    AdaLora,
    Adapter,
    DensityLoss,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Nf4,
    Oft,
    Peft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Unquantized,
    Vera,
)
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.models.legality import misfits, packed_linears

GATED = layout(read_config("google/flan-t5-small"))
UNGATED = layout(read_config("t5-small"))


@pytest.mark.parametrize(
    "peft",
    [
        Lora(targets=("q", "k", "v", "o", "gate", "up", "down")),
        Lora(r=64),
        AdaLora(),
        Ia3(),
        Vera(r=1024),
        Oft(block=64, targets=("q", "o", "down")),
        PrefixTuning(),
        PromptTuning(),
        PTuning(),
        Adapter(reduction=512),
    ],
)
def test_fits(peft: Peft) -> None:
    assert misfits(TrialConfig(peft=peft), GATED) == []


def test_an_ungated_mlp_has_no_up() -> None:
    config = TrialConfig(model="t5-small", peft=Lora(targets=("q", "up")))
    assert misfits(config, UNGATED) == ["lora targets up, but t5-small has only q, k, v, o, gate, down"]


@pytest.mark.parametrize(
    ("peft", "words"),
    [
        (Lora(r=400), "lora r 400 is more than the width of q, v"),
        (AdaLora(r=380, extra=10), "adalora r + extra 390 is more than the width of q, v"),
        (Oft(block=48, targets=("q", "o")), "oft block 48 does not divide the input width of q (512)"),
        (Adapter(reduction=513), "513 is more"),
    ],
)
def test_too_wide(peft: Peft, words: str) -> None:
    (told,) = misfits(replace(TrialConfig(), peft=peft), GATED)
    assert words in told


def test_a_prefix_cannot_change_the_encoders_density() -> None:
    one_sided = TrialConfig(peft=PrefixTuning(), density=DensityLoss(decoder_weight=0.0))
    (told,) = misfits(one_sided, GATED)
    assert "would do nothing" in told
    assert misfits(replace(one_sided, peft=PromptTuning()), GATED) == []


@pytest.mark.parametrize("peft", [PrefixTuning(), PromptTuning(), PTuning()])
def test_virtual_tokens_need_a_decoder(peft: Peft) -> None:
    encoder = replace(GATED, blocks=tuple(block for block in GATED.blocks if block.stack == "encoder"))
    (told,) = misfits(TrialConfig(peft=peft), encoder)
    assert "has no decoder" in told


def test_int8_leaves_t5s_last_projection_unpacked() -> None:
    assert packed_linears(Unquantized(), GATED) == ()
    assert packed_linears(Nf4(), GATED) == packed_linears(Fp4(), GATED) == GATED.linears
    assert set(GATED.linears) - set(packed_linears(Int8(), GATED)) == {linear for linear in GATED.linears if linear.role == "down"}
    assert packed_linears(Int8(), replace(GATED, family="bert")) == GATED.linears


def test_a_parallel_adapter_needs_a_module_around_the_mlp() -> None:
    bare = replace(GATED, blocks=tuple(replace(block, mlp=block.linears[-1].name) for block in GATED.blocks))
    (told,) = misfits(TrialConfig(peft=Adapter(placement="parallel")), bare)
    assert "beside a whole MLP" in told
    assert misfits(TrialConfig(peft=Adapter(placement="houlsby")), bare) == []

from dataclasses import replace

import pytest

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    DensityLoss,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Magnitude,
    Nf4,
    Oft,
    Peft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    SparseGpt,
    Unquantized,
    Vera,
    Wanda,
)
from deft_sweeps.config.compat import shape_problems
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout

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
    assert shape_problems(TrialConfig(peft=peft), GATED) == []


ENCODER = layout(read_config("roberta-base"))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (DensityLoss(encoder_weight=0.0), "leaves nothing of the density loss"),
        (DensityLoss(decoder_weight=0.5), "no effect on roberta-base"),
        (DensityLoss(stacks="mean"), "no effect on roberta-base"),
    ],
)
def test_a_density_loss_on_a_stack_that_is_not_there(loss: DensityLoss, words: str) -> None:
    (problem,) = shape_problems(TrialConfig(model="roberta-base", density=loss), ENCODER)
    assert words in problem
    assert shape_problems(TrialConfig(density=loss), GATED) == []
    assert shape_problems(TrialConfig(model="roberta-base", density=DensityLoss()), ENCODER) == []


def test_an_ungated_mlp_has_no_up() -> None:
    config = TrialConfig(model="t5-small", peft=Lora(targets=("q", "up")))
    assert shape_problems(config, UNGATED) == [
        "lora targets up, but t5-small has only q, k, v, o, gate, down"
    ]


def test_one_block_always_stays() -> None:
    assert shape_problems(TrialConfig(adaptive=AdaDeft(skip=15)), GATED) == []
    (problem,) = shape_problems(TrialConfig(adaptive=AdaDeft(skip=16)), GATED)
    assert "none of the 16 MLP blocks" in problem


@pytest.mark.parametrize(
    ("peft", "words"),
    [
        (Lora(r=400), "lora r 400 is more than the width of q, v"),
        (AdaLora(r=380, extra=10), "adalora r + extra 390 is more than the width of q, v"),
        (
            Oft(block=48, targets=("q", "o")),
            "oft block 48 does not divide the input width of q (512)",
        ),
        (Adapter(reduction=513), "513 is more"),
    ],
)
def test_too_wide(peft: Peft, words: str) -> None:
    (problem,) = shape_problems(replace(TrialConfig(), peft=peft), GATED)
    assert words in problem


def test_a_prefix_cannot_change_the_encoders_density() -> None:
    one_sided = TrialConfig(peft=PrefixTuning(), density=DensityLoss(decoder_weight=0.0))
    (problem,) = shape_problems(one_sided, GATED)
    assert "would do nothing" in problem
    assert shape_problems(replace(one_sided, peft=PromptTuning()), GATED) == []


@pytest.mark.parametrize("peft", [PrefixTuning(), PromptTuning(), PTuning()])
def test_virtual_tokens_need_no_decoder(peft: Peft) -> None:
    encoder = layout(read_config("bert-base-uncased"))
    assert shape_problems(TrialConfig(peft=peft), encoder) == []
    (problem,) = shape_problems(
        TrialConfig(peft=peft, density=DensityLoss(decoder_weight=0.0)), encoder
    )
    assert "has no decoder" in problem
    assert "would do nothing" not in problem


def test_int8_leaves_t5s_last_projection_unpacked() -> None:
    assert Unquantized().packed_linears(GATED) == ()
    assert Nf4().packed_linears(GATED) == Fp4().packed_linears(GATED) == GATED.linears
    assert set(GATED.linears) - set(Int8().packed_linears(GATED)) == {
        linear for linear in GATED.linears if linear.role == "down"
    }
    assert Int8().packed_linears(ENCODER) == ENCODER.linears


def test_a_parallel_adapter_needs_a_module_around_the_mlp() -> None:
    bare = replace(
        GATED, blocks=tuple(replace(block, mlp=block.linears[-1].name) for block in GATED.blocks)
    )
    (problem,) = shape_problems(TrialConfig(peft=Adapter(placement="parallel")), bare)
    assert "beside a whole MLP" in problem
    assert shape_problems(TrialConfig(peft=Adapter(placement="houlsby")), bare) == []


def test_a_pattern_must_divide_every_number_of_inputs() -> None:
    shape = layout(
        {
            "model_type": "t5",
            "d_model": 12,
            "d_ff": 18,
            "d_kv": 6,
            "num_heads": 3,
            "num_layers": 1,
            "vocab_size": 32,
        }
    )
    assert shape_problems(TrialConfig(pruning=Wanda(pattern="2:4")), GATED) == []
    assert shape_problems(TrialConfig(pruning=Magnitude()), shape) == []
    (problem,) = shape_problems(TrialConfig(pruning=Wanda(pattern="2:4")), shape)
    assert problem.endswith(
        "groups of 4 needs layers whose number of inputs it divides, but o has 18, down has 18"
    )
    (problem,) = shape_problems(TrialConfig(pruning=SparseGpt(pattern="4:8")), shape)
    assert "q has 12" in problem

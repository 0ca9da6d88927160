from typing import Any

import pytest
import torch

from deft_sweeps.axes.activation.gate import install_gates_
from deft_sweeps.axes.density_meter import DensityMeter
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes import (
    AdaLora,
    Adapter,
    Ia3,
    Lora,
    Oft,
    Peft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Role,
    Vera,
)
from deft_sweeps.errors import ConfigError
from tests.tiny import batch, layout_of, tiny_t5

EVERYWHERE: tuple[Role, ...] = ("q", "k", "v", "o", "gate", "up", "down")
METHODS: list[Peft] = [
    Lora(r=4),
    Lora(r=2, targets=EVERYWHERE),
    Lora(r=2, targets=EVERYWHERE, rslora=True),
    Lora(r=2, targets=EVERYWHERE, dora=True),
    AdaLora(r=2, extra=2, targets=EVERYWHERE),
    Ia3(),
    Ia3(targets=EVERYWHERE),
    Vera(r=8, targets=EVERYWHERE),
    Oft(block=8, targets=EVERYWHERE),
    PrefixTuning(virtual_tokens=3),
    PromptTuning(virtual_tokens=3),
    PromptTuning(virtual_tokens=3, init="random"),
    PTuning(virtual_tokens=3, hidden=16),
    Adapter(reduction=4),
    Adapter(reduction=4, placement="houlsby"),
    Adapter(reduction=4, placement="parallel", scale=4.0),
]
IDENTITIES = [method for method in METHODS if method.starts_as_identity]


def test_only_virtual_tokens_change_the_model_at_once() -> None:
    assert {method.kind for method in METHODS if method not in IDENTITIES} == {
        "prefix_tuning",
        "prompt_tuning",
        "p_tuning",
    }


@pytest.mark.parametrize("method", IDENTITIES)
def test_identity_when_attached_so_output_and_density_are_the_bases(method: Any) -> None:
    inputs = batch()

    def measure(attached: bool) -> tuple[torch.Tensor, float]:
        model = tiny_t5()
        layout = layout_of(model)
        gates = install_gates_(model, layout, "relu")
        wrapped: Any = attach(model, layout, method).eval() if attached else model
        meter = DensityMeter(gates)
        with (
            torch.no_grad(),
            meter.reading(Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())),
        ):
            return wrapped(**inputs).logits, meter.result().overall

    torch.testing.assert_close(measure(True)[0], measure(False)[0])
    assert measure(True)[1] == measure(False)[1]


@pytest.mark.parametrize("method", METHODS)
def test_only_the_method_trains_and_it_does(method: Any) -> None:
    model = tiny_t5()
    frozen = {id(p): (p, p.clone()) for p in model.parameters()}
    wrapped: Any = attach(model, layout_of(model), method)
    trained = trained_parameters(wrapped)
    assert {p.dtype for p in trained.values()} == {torch.float32}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    before = {name: p.clone() for name, p in trained.items()}
    for _ in range(3):
        optimizer.zero_grad()
        wrapped(**batch(), use_cache=False).loss.backward()
        optimizer.step()
    # VeRA's and AdaLoRA's factors of a zero get a gradient only once that has moved; AdamW's decay
    # moves them before.
    assert all(not torch.equal(p, before[name]) for name, p in trained.items())
    assert all(torch.equal(now, original) for now, original in frozen.values())
    assert {id(p) for p in wrapped.parameters()} >= frozen.keys()


def test_parameter_counts_are_the_formulas() -> None:
    model = tiny_t5()
    layout = layout_of(model)
    lora = attach(model, layout, Lora(r=4, targets=("q", "v")))
    n_attentions = 2 + 2 * 3
    assert sum(p.numel() for p in trained_parameters(lora).values()) == n_attentions * 2 * 4 * (
        32 + 32
    )
    model = tiny_t5()
    dora = attach(model, layout, Lora(r=4, targets=("q", "v"), dora=True))
    assert sum(p.numel() for p in trained_parameters(dora).values()) == n_attentions * 2 * (
        4 * (32 + 32) + 32
    )
    model = tiny_t5()
    adapted = attach(model, layout, Adapter(reduction=4))
    assert sum(p.numel() for p in trained_parameters(adapted).values()) == 5 * (
        32 * 8 + 8 + 8 * 32 + 32
    )


def test_a_target_that_the_family_lacks_is_refused_with_those_it_has() -> None:
    model = tiny_t5(gated=False)
    for method in (
        Lora(targets=("q", "up")),
        Ia3(targets=("up",)),
        Vera(targets=("up",)),
        Oft(targets=("up",)),
        AdaLora(targets=("up",)),
    ):
        with pytest.raises(ConfigError, match="no layer up; it has down, gate, k, o, q, v"):
            attach(model, layout_of(model), method)


def test_an_adapter_cannot_change_the_first_encoder_blocks_density() -> None:
    """It sits after the MLP, so nothing trainable comes before the first gate; LoRA on the gate
    does change it.
    """

    def first_block(method: Any) -> float:
        model, inputs = tiny_t5(), batch()
        layout = layout_of(model)
        gates = install_gates_(model, layout, "relu")
        wrapped: Any = attach(model, layout, method)
        with torch.no_grad():
            for parameter in trained_parameters(wrapped).values():
                parameter.add_(torch.randn_like(parameter))
            meter = DensityMeter(gates)
            with meter.reading(Masks(inputs["attention_mask"], (inputs["labels"] != -100).long())):
                wrapped.eval()(**inputs)
        reading = meter.result()
        assert reading.encoder_blocks[1] > 0
        return reading.encoder_blocks[0]

    torch.manual_seed(1)
    assert first_block(Adapter(reduction=4)) == first_block(Adapter(reduction=8))
    assert first_block(Adapter(reduction=4, placement="parallel")) == first_block(
        Adapter(reduction=8)
    )
    assert first_block(PrefixTuning(virtual_tokens=3)) == first_block(Adapter(reduction=8))
    assert first_block(Adapter(reduction=4, placement="houlsby")) != first_block(
        Adapter(reduction=4)
    )
    assert first_block(Lora(targets=("gate",))) != first_block(Adapter(reduction=4))


@pytest.mark.parametrize("method", IDENTITIES)
def test_identity_on_a_bfloat16_base(method: Any) -> None:
    """Rounding must not rescale the base, as it does where DoRA takes a row's length in bfloat16
    once and in float32 the next time.
    """
    model, inputs = tiny_t5().bfloat16(), batch()
    with torch.no_grad():
        before = model(**inputs).logits
        wrapped: Any = attach(model, layout_of(model), method)
        torch.testing.assert_close(wrapped.eval()(**inputs).logits, before, rtol=1e-2, atol=1e-2)
    in_float = tiny_t5()
    like = attach(in_float, layout_of(in_float), method)
    assert {n: p.shape for n, p in trained_parameters(wrapped).items()} == {
        n: p.shape for n, p in trained_parameters(like).items()
    }
    assert {p.dtype for p in trained_parameters(wrapped).values()} == {torch.float32}


def test_rslora_is_lora_with_alpha_over_the_root_of_the_rank() -> None:
    def trained_once(method: Lora) -> torch.Tensor:
        model = tiny_t5()
        wrapped: Any = attach(model, layout_of(model), method)
        with torch.no_grad():
            for number, parameter in enumerate(trained_parameters(wrapped).values()):
                parameter.copy_(
                    torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
                    * 0.1
                )
            logits: torch.Tensor = wrapped.eval()(**batch()).logits
        return logits

    torch.testing.assert_close(
        trained_once(Lora(r=4, alpha=6, rslora=True)), trained_once(Lora(r=4, alpha=12))
    )


def test_ia3_scales_inputs_of_down_and_outputs_of_the_others() -> None:
    model, inputs = tiny_t5(), batch()
    layout = layout_of(model)
    expected: Any = tiny_t5()
    wrapped: Any = attach(model, layout, Ia3(targets=("k", "down")))
    with torch.no_grad():
        for name, factor in trained_parameters(wrapped).items():
            factor.copy_(torch.rand_like(factor) + 0.5)
            path = name.removeprefix("base_model.model.").partition(".ia3_l")[0]
            expected.get_submodule(path).weight.mul_(factor)  # (1, in) or (out, 1)
        assert {tuple(factor.shape) for factor in trained_parameters(wrapped).values()} == {
            (1, 48),
            (32, 1),
        }
        torch.testing.assert_close(wrapped.eval()(**inputs).logits, expected(**inputs).logits)


@pytest.mark.parametrize(
    ("placement", "scale"),
    [("pfeiffer", 1.0), ("pfeiffer", 0.5), ("houlsby", 1.0), ("parallel", 4.0)],
)
def test_adapters_equal_a_formula_at_their_place(placement: Any, scale: float) -> None:
    """One MLP and, for Houlsby, one attention's output projection, computed by hand from what the
    frozen layers give.
    """
    model = tiny_t5()
    layout = layout_of(model)
    attach(model, layout, Adapter(reduction=4, placement=placement, scale=scale))
    block = layout.blocks[0]
    sites = [block.mlp] + [
        linear.name for linear in block.linears if linear.role == "o" and placement == "houlsby"
    ]
    x = torch.randn(2, 3, 32)
    for site in sites:
        adapted: Any = model.get_submodule(site)
        with torch.no_grad():
            adapted.adapter.up.weight.normal_()
            adapted.adapter.up.bias.normal_()
            y = adapted.layer(x)
            read = x if placement == "parallel" else y
            hidden = torch.relu(read @ adapted.adapter.down.weight.T + adapted.adapter.down.bias)
            expected = y + scale * (hidden @ adapted.adapter.up.weight.T + adapted.adapter.up.bias)
            torch.testing.assert_close(adapted(x), expected)
    n_sites = len(layout.blocks) + (2 + 2 * 3 if placement == "houlsby" else 0)
    assert sum(p.numel() for p in trained_parameters(model).values()) == n_sites * (
        32 * 8 + 8 + 8 * 32 + 32
    )


def test_vera_shares_one_pair_of_frozen_matrices_that_the_seed_draws() -> None:
    def projections(seed: int) -> list[torch.Tensor]:
        model = tiny_t5()
        torch.manual_seed(seed)
        wrapped: Any = attach(model, layout_of(model), Vera(r=8, targets=("q", "down")))
        buffers = {id(b): b for n, b in wrapped.named_buffers() if "vera_" in n}
        return list(buffers.values())

    first, again, other = projections(0), projections(0), projections(1)
    assert [tuple(b.shape) for b in first] == [(8, 48), (32, 8)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_oft_rotates_inputs_without_changing_their_length() -> None:
    model = tiny_t5()
    wrapped: Any = attach(model, layout_of(model), Oft(block=8, targets=("q",)))
    layer: Any = wrapped.get_submodule("base_model.model.encoder.block.0.layer.0.SelfAttention.q")
    rotation = layer.oft_R["default"]
    with torch.no_grad():
        rotation.weight.normal_(std=0.01)
    x = torch.randn(4, 5, 32)
    rotated = rotation(x)
    assert not torch.allclose(rotated, x, atol=1e-3)
    torch.testing.assert_close(
        rotated.reshape(4, 5, 4, 8).norm(dim=-1),
        x.reshape(4, 5, 4, 8).norm(dim=-1),
        rtol=1e-4,
        atol=1e-4,
    )

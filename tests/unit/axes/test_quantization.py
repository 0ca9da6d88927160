"""Packed weights by bitsandbytes on this machine's processor, their silent failures included."""

import copy
import io
import logging
from typing import Any

import bitsandbytes as bnb
import pytest
import torch
from torch import Tensor, nn

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.pruning import prune_
from deft_sweeps.axes.quantization.packed_layers import TORCH_DTYPES, quantize_
from deft_sweeps.config.axes import Adapter, Fp4, Ia3, Int8, Lora, Magnitude, Nf4
from deft_sweeps.trial.base import cast_
from deft_sweeps.trial.cost import tensor_bytes
from tests.tiny import batch, layout_of, tiny_t5

CPU = torch.device("cpu")


FOUR_BITS = [Nf4(), Nf4(double=True), Fp4(), Fp4(double=True)]
EVERY = [*FOUR_BITS, Int8()]


def dequantized(model: nn.Module, quantization: Any) -> nn.Module:
    """The same model with dense layers that hold the weights the packed ones stand for."""
    dense = tiny_t5()
    for linear in quantization.packed_linears(layout_of(model)):
        packed: Any = model.get_submodule(linear.name)
        target: Any = dense.get_submodule(linear.name)
        if isinstance(quantization, Int8):
            target.weight.data = packed.state.CB.float() * packed.state.SCB[:, None] / 127
        else:
            target.weight.data = bnb.functional.dequantize_4bit(
                packed.weight.data, packed.weight.quant_state
            ).float()
    return dense


def quantized(quantization: Any, dtype: Any = "fp32") -> Any:
    model = tiny_t5().requires_grad_(False)
    quantize_(model, layout_of(model), quantization, dtype, CPU)
    cast_(model, TORCH_DTYPES[dtype])
    return model


@pytest.mark.parametrize("quantization", EVERY)
def test_the_whole_model_computes_with_the_dequantized_weights(quantization: Any) -> None:
    """Catches hidden states cast to the packed weights' dtype in T5's MLP. int8 computes so in
    training alone.
    """
    model = quantized(quantization).train()
    with torch.no_grad():
        torch.testing.assert_close(
            model(**batch()).logits,
            dequantized(model, quantization)(**batch()).logits,
            rtol=1e-3,
            atol=1e-3,
        )


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_int8_layers_evaluate_close_to_their_dequantized_weights(dtype: Any) -> None:
    model = quantized(Int8(), dtype)
    dense = dequantized(model, Int8())
    for linear in Int8().packed_linears(layout_of(model)):
        x = torch.randn(3, 5, linear.in_features)
        with torch.no_grad():
            ours, exact = (
                model.get_submodule(linear.name)(x.to(TORCH_DTYPES[dtype])),
                dense.get_submodule(linear.name)(x),
            )
        assert ours.dtype == TORCH_DTYPES[dtype]
        assert 0 < float((ours.float() - exact).norm() / exact.norm()) < 0.01, linear.name


def test_int8_input_features_beyond_the_threshold_are_computed_unquantized() -> None:
    """One feature a thousand times the others would leave them no steps of the 8 bits."""
    x = torch.randn(6, 32) * 0.1
    x[:, 5] = 50.0

    @torch.no_grad()
    def error(threshold: float) -> float:
        model = quantized(Int8(outlier_threshold=threshold))
        layer = model.get_submodule("encoder.block.0.layer.0.SelfAttention.q")
        exact = dequantized(model, Int8()).get_submodule("encoder.block.0.layer.0.SelfAttention.q")(
            x
        )
        x_exact = exact - exact.mean(0)  # what the large feature does not give
        ours = layer(x)
        return float((ours - ours.mean(0) - x_exact).norm() / x_exact.norm())

    assert error(6.0) < 0.05 < error(100.0)


def test_int8_leaves_t5s_last_projection_alone_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = quantized(Int8(), "bf16")
    kinds = {
        linear.role: type(model.get_submodule(linear.name)) for linear in layout_of(model).linears
    }
    assert {role for role, kind in kinds.items() if kind is nn.Linear} == {"down"}
    assert not any(module.training for module in model.modules())
    with caplog.at_level(logging.WARNING), torch.no_grad():
        model(**batch())
    assert caplog.records == []


def test_int8_holds_a_byte_a_weight_and_a_scale_a_row() -> None:
    layout = layout_of(tiny_t5())
    packed = Int8().packed_linears(layout)
    n_packed = sum(linear.n_parameters for linear in packed)
    expected = (
        4 * (layout.n_parameters - n_packed)
        + n_packed
        + 4 * sum(linear.out_features for linear in packed)
    )
    model = quantized(Int8())
    with torch.no_grad():
        model(**batch())
    assert tensor_bytes(model) == expected


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("quantization", [Nf4(), Fp4(), Int8()])
@pytest.mark.parametrize(
    "method",
    [
        Lora(targets=("q", "v", "gate", "down")),
        Ia3(targets=("q", "k", "v", "down")),
        Adapter(reduction=4),
    ],
)
def test_every_trained_parameter_gets_a_gradient(
    dtype: Any, quantization: Any, method: Any
) -> None:
    """IA3 on keys and values included, where float32 factors must not leave float32 keys beside
    bfloat16 queries.
    """
    model = quantized(quantization, dtype)
    wrapped = attach(model, layout_of(model), method)
    wrapped(**batch(), use_cache=False).loss.backward()
    for name, parameter in trained_parameters(wrapped).items():
        assert parameter.grad is not None, name
        assert parameter.dtype == torch.float32, name
    assert any(
        float(p.grad.abs().sum()) > 0
        for p in trained_parameters(wrapped).values()
        if p.grad is not None
    )


def losses(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: dict[str, Tensor], n: int
) -> list[float]:
    dtypes = []
    for _ in range(n):
        optimizer.zero_grad()
        loss = model(**inputs, use_cache=False).loss
        loss.backward()
        optimizer.step()
        dtypes.append(loss.item())
    return dtypes


@pytest.mark.parametrize("quantization", [Nf4(), Fp4(double=True), Int8()])
def test_train_evaluate_train_save_load(quantization: Any) -> None:
    """An evaluation between two stretches of training must freeze nothing and change nothing that
    is saved.
    """
    model = quantized(quantization, "bf16")
    wrapped: Any = attach(model, layout_of(model), Lora(r=4, targets=("q", "v", "gate", "down")))
    optimizer = torch.optim.AdamW(trained_parameters(wrapped).values(), lr=1e-2)
    first = losses(wrapped.train(), optimizer, batch(), 5)
    with torch.no_grad():
        wrapped.eval()(**batch())
    second = losses(wrapped.train(), optimizer, batch(), 8)
    assert second[0] < first[0]
    assert second[-1] < 0.95 * second[0]
    with torch.no_grad():
        before = wrapped.eval()(**batch()).logits
        saved = io.BytesIO()
        torch.save(wrapped.state_dict(), saved)
        torch.testing.assert_close(wrapped(**batch()).logits, before)
        again = quantized(quantization, "bf16")
        loaded: Any = attach(again, layout_of(again), Lora(r=4, targets=("q", "v", "gate", "down")))
        state = torch.load(io.BytesIO(saved.getvalue()), weights_only=True)
        # bitsandbytes saves the scales of a layer in use and then refuses to load them into one.
        loaded.load_state_dict(
            {name: held for name, held in state.items() if not name.endswith(".SCB")}, strict=False
        )
        torch.testing.assert_close(loaded.eval()(**batch()).logits, before)


@pytest.mark.parametrize("quantization", EVERY)
def test_pruned_zeros_survive_quantization(quantization: Any) -> None:
    model = tiny_t5().requires_grad_(False)
    prune_(model, layout_of(model), Magnitude(sparsity=0.5))
    zero = {
        linear.name: copy.deepcopy(model.get_submodule(linear.name).weight) == 0
        for linear in quantization.packed_linears(layout_of(model))
    }
    quantize_(model, layout_of(model), quantization, "fp32", CPU)
    dense = dequantized(model, quantization)
    for name, mask in zero.items():
        weight: Any = dense.get_submodule(name).weight
        assert bool((weight[mask] == 0).all()), name

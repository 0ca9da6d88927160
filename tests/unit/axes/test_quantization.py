"""NF4 by bitsandbytes on this machine's processor, its silent failures included."""

import io
from typing import Any

import bitsandbytes as bnb
import pytest
import torch
from torch import Tensor, nn

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.pruning import prune_
from deft_sweeps.axes.quantization import TORCH_DTYPES, quantize_
from deft_sweeps.config.axes import Adapter, Lora, Magnitude, Nf4
from tests.tiny import batch, layout_of, tiny_t5

CPU = torch.device("cpu")


def dequantized(model: nn.Module) -> nn.Module:
    """The same model with dense layers that hold the weights the packed ones stand for."""
    dense = tiny_t5()
    for linear in layout_of(model).linears:
        packed: Any = model.get_submodule(linear.name)
        target: Any = dense.get_submodule(linear.name)
        target.weight.data = bnb.functional.dequantize_4bit(packed.weight.data, packed.weight.quant_state).float()
    return dense


def quantized(dtype: Any = "fp32", double: bool = False) -> Any:
    model = tiny_t5().requires_grad_(False)
    quantize_(model, layout_of(model), Nf4(double=double), dtype, CPU)
    return model


@pytest.mark.parametrize("double", [False, True])
def test_the_whole_model_computes_with_the_dequantized_weights(double: bool) -> None:
    """Catches hidden states cast to the packed weights' dtype in T5's MLP."""
    model = quantized(double=double)
    with torch.no_grad():
        torch.testing.assert_close(model(**batch()).logits, dequantized(model)(**batch()).logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("method", [Lora(targets=("q", "v", "gate", "down")), Adapter(reduction=4)])
def test_every_trained_parameter_gets_a_gradient(dtype: Any, method: Any) -> None:
    model = quantized(dtype).to(TORCH_DTYPES[dtype])
    wrapped = attach(model, layout_of(model), method)
    wrapped(**batch(), use_cache=False).loss.backward()
    for name, parameter in trained_parameters(wrapped).items():
        assert parameter.grad is not None, name
        assert parameter.dtype == torch.float32, name
    assert any(float(p.grad.abs().sum()) > 0 for p in trained_parameters(wrapped).values() if p.grad is not None)


def losses(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: dict[str, Tensor], n: int) -> list[float]:
    found = []
    for _ in range(n):
        optimizer.zero_grad()
        loss = model(**inputs, use_cache=False).loss
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def test_train_evaluate_train_save_load() -> None:
    """An evaluation between two stretches of training must freeze nothing and change nothing that is saved."""
    model = quantized("bf16").to(torch.bfloat16)
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
        again = quantized("bf16").to(torch.bfloat16)
        loaded: Any = attach(again, layout_of(again), Lora(r=4, targets=("q", "v", "gate", "down")))
        loaded.load_state_dict(torch.load(io.BytesIO(saved.getvalue()), weights_only=True), strict=False)
        torch.testing.assert_close(loaded.eval()(**batch()).logits, before)


def test_pruned_zeros_survive_quantization() -> None:
    model = tiny_t5().requires_grad_(False)
    prune_(model, layout_of(model), Magnitude(sparsity=0.5))
    zero = {linear.name: model.get_submodule(linear.name).weight == 0 for linear in layout_of(model).linears}
    quantize_(model, layout_of(model), Nf4(), "fp32", CPU)
    dense = dequantized(model)
    for name, mask in zero.items():
        weight: Any = dense.get_submodule(name).weight
        assert bool((weight[mask] == 0).all()), name

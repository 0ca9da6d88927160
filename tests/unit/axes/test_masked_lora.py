"""Masked LoRA: the zeros of the base are zeros of the update, in training and after a merge."""

from typing import Any

import pytest
import torch
from torch import nn

from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.pruning import prune_
from deft_sweeps.axes.quantization.packed_layers import quantize_
from deft_sweeps.config.axes import Lora, Magnitude, Nf4, Pattern, Role
from tests.tiny import batch, layout_of, tiny_t5

TARGETS: tuple[Role, ...] = ("q", "v", "gate", "down")


def trained(pattern: Pattern = "2:4", *, masked: bool = True, packed: bool = False) -> Any:
    """A pruned model after some steps of LoRA, in evaluation mode."""
    model = tiny_t5().requires_grad_(False)
    layout = layout_of(model)
    prune_(model, layout, Magnitude(pattern=pattern))
    if packed:
        quantize_(model, layout, Nf4(), "fp32", torch.device("cpu"))
    torch.manual_seed(0)
    wrapped: Any = attach(model, layout, Lora(r=4, targets=TARGETS, masked=masked))
    optimizer = torch.optim.AdamW(trained_parameters(wrapped).values(), lr=2e-2)
    for _ in range(4):
        optimizer.zero_grad()
        wrapped(**batch(), use_cache=False).loss.backward()
        optimizer.step()
    return wrapped.eval()


def targeted(wrapped: Any) -> dict[str, Any]:
    return {name: module for name, module in wrapped.named_modules() if hasattr(module, "lora_A")}


@pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
def test_a_merge_keeps_every_zero_and_every_output(pattern: Pattern) -> None:
    wrapped = trained(pattern)
    before = {
        name: layer.get_base_layer().weight.clone() for name, layer in targeted(wrapped).items()
    }
    with torch.no_grad():
        unmerged = wrapped(**batch()).logits
        merged: nn.Module = wrapped.merge_and_unload()
        torch.testing.assert_close(merged(**batch()).logits, unmerged, rtol=1e-3, atol=1e-3)
    assert len(before) == 5 * 4 + 3 * 2
    for name, base in before.items():
        weight: Any = merged.get_submodule(name.removeprefix("base_model.model.")).weight
        assert not torch.equal(weight, base), name
        assert torch.equal(weight == 0, base == 0), name


def test_without_the_mask_a_merge_makes_the_weights_dense() -> None:
    wrapped = trained(masked=False)
    names = [name.removeprefix("base_model.model.") for name in targeted(wrapped)]
    merged = wrapped.merge_and_unload()
    assert all(
        float((merged.get_submodule(name).weight == 0).float().mean()) < 0.01 for name in names
    )


@pytest.mark.parametrize("packed", [False, True])
@torch.no_grad()
def test_a_layer_adds_the_masked_product_and_no_more(packed: bool) -> None:
    from peft.utils.integrations import dequantize_module_weight

    with torch.enable_grad():
        wrapped = trained(packed=packed)
    for layer in list(targeted(wrapped).values())[:4]:
        base = layer.get_base_layer()
        x = torch.randn(3, 5, base.in_features)
        b, a = layer.lora_B["default"].weight, layer.lora_A["default"].weight
        dense = dequantize_module_weight(base)
        expected = base(x).clone()
        for i in range(expected.shape[-1]):
            row = [
                float((b[i] * a[:, j]).sum()) * 4.0 if dense[i, j] != 0 else 0.0
                for j in range(base.in_features)
            ]
            expected[..., i] += x @ torch.tensor(row)
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_unmerging_gives_the_base_back() -> None:
    wrapped = trained()
    layer = next(iter(targeted(wrapped).values()))
    before = layer.get_base_layer().weight.clone()
    layer.merge()
    layer.unmerge()
    torch.testing.assert_close(layer.get_base_layer().weight, before)

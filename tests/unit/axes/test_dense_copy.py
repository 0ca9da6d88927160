"""Dense copies of packed weights against the packed weights themselves."""

from typing import Any

import pytest
import torch
from torch import nn

from deft_sweeps.axes.peft import low_rank_update
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.axes.quantization.dense_copy import (
    dense_weight,
    hold_dense_copies_,
    packed_weights,
)
from deft_sweeps.axes.quantization.packed_layers import TORCH_DTYPES, quantize_
from deft_sweeps.config.axes import Dtype, Fp4, Int8, Lora, Nf4
from deft_sweeps.trial.base import cast_
from deft_sweeps.trial.cost import tensor_bytes
from tests.tiny import batch, layout_of, tiny_t5

PACKINGS = [Nf4(), Nf4(double=True), Fp4(), Int8()]


def packed_model(quantization: Any, dtype: Dtype, *, copies: bool) -> nn.Module:
    model = tiny_t5()
    shape = layout_of(model)
    quantize_(model, shape, quantization, dtype, torch.device("cpu"))
    cast_(model, TORCH_DTYPES[dtype])
    if copies:
        hold_dense_copies_(model, shape, quantization, TORCH_DTYPES[dtype])
    torch.manual_seed(0)
    return attach(model, shape, Lora(targets=("q", "v", "gate", "down")))


def losses(model: nn.Module) -> list[float]:
    """Of three steps of training, with an evaluation between them."""
    optimizer = torch.optim.AdamW(trained_parameters(model).values(), lr=1e-2)
    values = []
    for _ in range(3):
        model.train()
        loss = model(**batch()).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            values += [float(loss), float(model.eval()(**batch()).loss)]
    return values


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("quantization", PACKINGS, ids=lambda q: q.label)
def test_losses_are_equal_bit_for_bit(
    quantization: Any, dtype: Dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_rank_update, "usable", lambda *_: False)
    with_copies, without = (packed_model(quantization, dtype, copies=c) for c in (True, False))
    assert losses(with_copies) == losses(without)


@pytest.mark.parametrize("quantization", PACKINGS, ids=lambda q: q.label)
def test_the_packed_weights_are_what_is_counted_and_measured(quantization: Any) -> None:
    model, plain = (packed_model(quantization, "bf16", copies=c) for c in (True, False))
    assert tensor_bytes(model) == tensor_bytes(plain)
    wrapped: list[Any] = list(model.modules())
    layers = [module.get_base_layer() for module in wrapped if hasattr(module, "get_base_layer")]
    layer = next(x for x in layers if type(x) is not nn.Linear)
    in_evaluation = dense_weight(layer, training=False)
    assert (in_evaluation is None) == quantization.quantizes_inputs
    assert dense_weight(layer, training=True) is not None
    with packed_weights(model):
        assert dense_weight(layer, training=True) is None
    assert dense_weight(layer, training=True) is not None


def test_copies_are_as_large_as_projected() -> None:
    model, shape = tiny_t5(), layout_of(tiny_t5())
    quantize_(model, shape, Nf4(), "bf16", torch.device("cpu"))
    hold_dense_copies_(model, shape, Nf4(), torch.bfloat16)
    copies = [dense_weight(model.get_submodule(x.name), training=True) for x in shape.linears]
    held = sum(copy.numel() * copy.element_size() for copy in copies if copy is not None)
    assert held == Nf4().copy_bytes(shape, 2)

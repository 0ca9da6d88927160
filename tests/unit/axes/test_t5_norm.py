"""T5's norm in one pass against transformers' own."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deft_sweeps.axes.t5_norm import T5Norm, fuse_norms_
from tests.tiny import batch, tiny_t5


def outputs(model: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Encoder's output, logits, and the gradient of the embedding, which is a sum of all paths."""
    out = model(**batch(), output_hidden_states=True)
    embedding = model.get_input_embeddings().weight
    (grad,) = torch.autograd.grad(out.loss, embedding)
    return out.encoder_last_hidden_state, out.logits, grad


def test_a_float32_model_is_the_stock_model_to_2e_6() -> None:
    stock = tiny_t5()
    for module in stock.modules():
        if hasattr(module, "variance_epsilon"):
            module.weight.requires_grad_(False)
    exact, fused = copy.deepcopy(stock).double(), copy.deepcopy(stock)
    fuse_norms_(fused)
    assert sum(isinstance(module, T5Norm) for module in fused.modules()) == 15
    for ours, theirs, truth in zip(*map(outputs, (fused, stock, exact)), strict=True):
        own = float((theirs - truth).norm() / truth.norm())
        # Random weights amplify: where float32 itself is further off, so may this be.
        assert float((ours - truth).norm() / truth.norm()) <= max(2e-6, 2 * own)


@pytest.mark.parametrize("shape", [(3, 64), (2, 5, 75)])
def test_in_bfloat16_it_rounds_where_transformers_does(shape: tuple[int, ...]) -> None:
    stock: Any = T5Norm.__base__
    norm: Any = stock(shape[-1]).bfloat16().requires_grad_(False)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(shape[-1]) * 3)
    x = (torch.randn(shape) * 50).bfloat16()
    wanted = norm(x)
    fuse_norms_(model := nn.Sequential(norm))
    out = model(x)
    # A sum in another order may change the factor's last bit, and a quotient that was a tie.
    assert float((out != wanted).float().mean()) <= 0.01
    torch.testing.assert_close(out, wanted, rtol=2**-7, atol=0)


def test_a_weight_that_trains_is_left_to_transformers() -> None:
    norm: Any = T5Norm(8)
    norm(torch.randn(2, 8)).sum().backward()
    assert norm.weight.grad is not None

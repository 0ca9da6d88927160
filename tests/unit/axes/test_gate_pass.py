"""The gate's one pass against torch's operations."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from deft_sweeps.axes.activation import gate_pass as module
from deft_sweeps.axes.activation.gate import FUNCTIONS, Gate
from deft_sweeps.axes.activation.gate_pass import TokenReader, gate_pass
from deft_sweeps.kernels.trial_library import library

needs_kernel = pytest.mark.skipif(library() is None, reason="no compiler at installation")


def both(
    monkeypatch: pytest.MonkeyPatch,
    x: Tensor,
    compute: Callable[[Tensor], Tensor],
    threshold: float,
    eps: float | None,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Gate, means and gradient of the input: by the kernel, and by torch."""
    results = []
    for use in (True, False):
        if not use:
            monkeypatch.setattr(module, "usable", lambda *_: False)
        means: list[Tensor] = []
        leaf = x.clone().requires_grad_()
        out = gate_pass(leaf, compute, threshold, TokenReader(eps, means.append))
        (read,) = means
        loss = out.float().square().sum() + (0 if eps is None else read.sum())
        (grad,) = torch.autograd.grad(loss, leaf)
        assert read.requires_grad == (eps is not None)
        results.append((out, read, grad))
    return results


@needs_kernel
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("eps", [None, 1e-2])
@pytest.mark.parametrize("threshold", [0.0, 0.2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_pass_is_what_torch_computes(
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    eps: float | None,
    threshold: float,
    dtype: torch.dtype,
) -> None:
    x = torch.randn(3, 5, 70).to(dtype)
    one, other = both(monkeypatch, x, FUNCTIONS[function], threshold, eps)
    assert torch.equal(one[0], other[0])
    if eps is None:
        assert torch.equal(one[1], other[1])
    torch.testing.assert_close(one[1], other[1], rtol=1e-6, atol=1e-6)
    close: Any = {} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(one[2], other[2], **close)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_gate_without_reader_is_its_function(function: str) -> None:
    x = torch.randn(2, 3, 40).bfloat16()
    assert torch.equal(Gate(function)(x), FUNCTIONS[function](x.float()).bfloat16())


def test_a_strided_input_is_read_in_its_own_order() -> None:
    x = torch.randn(4, 40, 3).transpose(1, 2)
    means: list[Tensor] = []
    out = gate_pass(x, torch.relu, 0.5, TokenReader(None, means.append))
    assert torch.equal(out, torch.where(x > 0.5, x, 0.0))
    torch.testing.assert_close(means[0], (x > 0.5).float().mean(-1))

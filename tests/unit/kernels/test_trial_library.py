"""The kernels against torch, at each level that the processor has."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.nn import functional

from deft_sweeps.kernels import trial_library
from deft_sweeps.kernels.compiled_library import LEVEL_VARIABLE, Level, best_level
from deft_sweeps.kernels.trial_library import (
    gate_backward,
    gate_forward,
    gradient,
    library,
    norm_backward,
    norm_forward,
    project,
    update_,
    usable,
)

DTYPES = [torch.float32, torch.bfloat16]
TOLERANCE: dict[torch.dtype, Any] = {
    torch.float32: {"rtol": 2e-6, "atol": 2e-6},
    torch.bfloat16: {},
}
"""In bfloat16 that of `assert_close`: a sum in another order may be rounded to the neighbour."""

pytestmark = pytest.mark.skipif(library() is None, reason="no compiler at installation")


@pytest.fixture(params=list(Level), autouse=True)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Level]:
    monkeypatch.setenv(LEVEL_VARIABLE, request.param.name)
    best_level.cache_clear()
    yield request.param
    best_level.cache_clear()


@pytest.fixture(params=[1, 3], autouse=True)
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(trial_library, "_PART_ENTRIES", 64)
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)
    return int(request.param)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "width", "rank"), [(7, 75, 13), (5, 64, 8), (1, 3, 1), (9, 40, 4)])
def test_products_with_a_thin_matrix_are_torch_s(
    dtype: torch.dtype, n: int, width: int, rank: int
) -> None:
    wide, thin = torch.randn(n, width).to(dtype), torch.randn(n, rank)
    matrix = torch.randn(rank, width)
    close: Any = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(project(wide, matrix, 0.5), 0.5 * wide.float() @ matrix.T, **close)
    torch.testing.assert_close(gradient(thin, wide, 2.0), 2.0 * thin.T @ wide.float(), **close)
    wanted = (wide.float() + 0.5 * thin @ matrix).to(dtype)
    torch.testing.assert_close(update_(wide.clone(), thin, matrix, 0.5), wanted)


@pytest.mark.parametrize("eps", [None, 1e-2, 1e-7])
@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize(
    ("dtype", "out_dtype"), [(a, b) for a in DTYPES for b in DTYPES if b in (a, torch.bfloat16)]
)
@pytest.mark.parametrize("function", ["relu", "identity"])
def test_the_gate_its_sums_and_their_gradient_are_torch_s(
    function: trial_library.Function,
    dtype: torch.dtype,
    out_dtype: torch.dtype,
    threshold: float,
    eps: float | None,
) -> None:
    x = torch.randn(3, 5, 71).to(dtype)
    x[0, 0, 0], x[1, 1, 1] = 0.0, float("nan")
    leaf = x.clone().requires_grad_()
    gate = torch.relu(leaf.float()) if function == "relu" else leaf.float()
    gate = functional.hardshrink(gate, threshold) if threshold else gate
    wanted = gate.to(out_dtype)
    square = gate.square()
    sums = (gate != 0).float().sum(-1) if eps is None else (square / (square + eps)).sum(-1)
    out, got = gate_forward(x, function, threshold, eps, out_dtype, measured=True)
    assert torch.equal(out.nan_to_num(9.0), wanted.nan_to_num(9.0))
    assert got is not None
    torch.testing.assert_close(got, sums, rtol=1e-5, atol=1e-5, equal_nan=True)
    plain, none = gate_forward(x, function, threshold, eps, out_dtype, measured=False)
    assert none is None
    assert torch.equal(plain.nan_to_num(9.0), out.nan_to_num(9.0))
    grad, grad_sums = torch.randn_like(out), torch.randn_like(got) * 1e-3
    given = [(wanted, grad)] if eps is None else [(wanted, grad), (sums, grad_sums)]
    (of_x,) = torch.autograd.grad([a for a, _ in given], leaf, [b for _, b in given])
    result = gate_backward(x, grad, grad_sums, function, threshold, eps)
    real = ~x.isnan()
    torch.testing.assert_close(result[real], of_x[real], **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [3, 32, 75])
def test_the_norm_and_its_gradient_are_the_formula_s(dtype: torch.dtype, width: int) -> None:
    x, weight = torch.randn(2, 3, width).to(dtype), torch.randn(width).to(dtype)
    leaf = x.double().requires_grad_()
    wanted = weight.double() * leaf / (leaf.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    out, scales = norm_forward(x, weight, 1e-6)
    close: Any = (
        {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {"rtol": 2e-6, "atol": 2e-6}
    )
    torch.testing.assert_close(out.double(), wanted, **close)
    grad = torch.randn_like(x)
    (of_x,) = torch.autograd.grad(wanted, leaf, grad.double())
    torch.testing.assert_close(norm_backward(x, weight, scales, grad).double(), of_x, **close)


def test_what_the_kernels_cannot_take_is_not_given_to_them() -> None:
    x = torch.ones(2, 3)
    assert usable(x, torch.nn.Parameter(x))
    assert not usable(x.double())
    assert not usable(x.to("meta"))
    assert not usable(x[:0])
    with torch.autocast("cpu"):
        assert not usable(x)


def test_bfloat16_is_rounded_as_torch_does() -> None:
    x = torch.cat([torch.randn(4000) * 1e3, torch.tensor([0.0, -0.0, float("inf"), 3.4e38])])
    out, _ = gate_forward(x.view(1, -1), "identity", 0.0, None, torch.bfloat16, measured=False)
    assert torch.equal(out.view(-1), x.bfloat16())

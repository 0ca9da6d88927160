"""The kernels of `trial_kernel.c` on tensors of torch.

Wide tensors are (..., width), contiguous, all of one dtype, float32 or bfloat16; results have their
dtype. `usable` says whether a tensor may be given; nothing here is differentiable by itself.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from deft_sweeps.kernels.compiled_library import best_level, in_parts, opened_library

_KINDS = {torch.float32: 0, torch.bfloat16: 1}
_FUNCTIONS = {"identity": 0, "relu": 1}
_NOTHING, _COUNT, _L0 = 0, 1, 2

_PART_ENTRIES = 100_000
"""Entries that are worth a thread of their own: to start one takes tens of microseconds."""

Function = Literal["identity", "relu"]


class _LowRank(ctypes.Structure):
    """`LowRank` of trial_kernel.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("wide", "out", "thin", "matrix")),
        *((name, ctypes.c_int64) for name in ("n_rows", "width", "rank", "first", "last")),
        ("scale", ctypes.c_float),
        ("kind", ctypes.c_int32),
        ("level", ctypes.c_int32),
    )


class _GateRows(ctypes.Structure):
    """`GateRows` of trial_kernel.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "grad", "out", "sums")),
        *((name, ctypes.c_int64) for name in ("width", "first", "last")),
        *((name, ctypes.c_float) for name in ("threshold", "eps")),
        *((name, ctypes.c_int32) for name in ("function", "measure", "kind", "out_kind", "level")),
    )


class _NormRows(ctypes.Structure):
    """`NormRows` of trial_kernel.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "weight", "grad", "out", "scales")),
        *((name, ctypes.c_int64) for name in ("width", "first", "last")),
        ("eps", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("kind", "level")),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None if the installation has none."""
    return opened_library(Path(__file__).parent, "_trial_kernel")


def usable(*tensors: Tensor) -> bool:
    """Whether the kernels can compute on these: real tensors of the processor, float32 or bfloat16,
    outside of autocast and of an export's tracing.
    """
    return (
        all(
            type(x) in (Tensor, torch.nn.Parameter)
            and x.device.type == "cpu"
            and x.dtype in _KINDS
            and x.numel() > 0
            for x in tensors
        )
        and library() is not None
        and not torch.is_autocast_enabled("cpu")
    )


def project(wide: Tensor, matrix: Tensor, scale: float = 1.0) -> Tensor:
    """`scale * wide @ matrix.T`, in float32.

    Args:
        wide: (n, width).
        matrix: (rank, width), float32.
        scale: of the result.

    Returns:
        (n, rank), float32.
    """
    thin = wide.new_empty((wide.shape[0], matrix.shape[0]), dtype=torch.float32)
    _low_rank("project", wide, wide, thin, matrix.contiguous(), scale, wide.shape[0])
    return thin


def update_(wide: Tensor, thin: Tensor, matrix: Tensor, scale: float = 1.0) -> Tensor:
    """Add `scale * thin @ matrix` to `wide`, in float32, rounded once.

    Args:
        wide: (n, width); overwritten.
        thin: (n, rank), float32.
        matrix: (rank, width), float32.
        scale: of what is added.

    Returns:
        `wide`.
    """
    _low_rank("update", wide, wide, thin, matrix.contiguous(), scale, wide.shape[0])
    return wide


def gradient(thin: Tensor, wide: Tensor, scale: float = 1.0) -> Tensor:
    """`scale * thin.T @ wide`, in float32.

    Args:
        thin: (n, rank), float32.
        wide: (n, width).
        scale: of the result.

    Returns:
        (rank, width), float32.
    """
    matrix = thin.new_empty((thin.shape[1], wide.shape[1]))
    _low_rank("gradient", wide, wide, thin, matrix, scale, wide.shape[1])
    return matrix


def _low_rank(
    name: str, wide: Tensor, out: Tensor, thin: Tensor, matrix: Tensor, scale: float, n: int
) -> None:
    settings = {
        "wide": wide.data_ptr(),
        "out": out.data_ptr(),
        "thin": thin.data_ptr(),
        "matrix": matrix.data_ptr(),
        "n_rows": wide.shape[0],
        "width": wide.shape[1],
        "rank": thin.shape[1],
        "scale": scale,
        "kind": _KINDS[wide.dtype],
    }
    _run(name, _LowRank, settings, n, wide.numel())


def gate_forward(
    x: Tensor,
    function: Function,
    threshold: float,
    eps: float | None,
    out_dtype: torch.dtype,
    *,
    measured: bool,
) -> tuple[Tensor, Tensor | None]:
    """The gate `function(x)`, entries with |gate| <= threshold zeroed, and one sum a row over it.

    Args:
        x: (..., width).
        function: of the gate.
        threshold: 0 changes nothing.
        eps: sums gate^2 / (gate^2 + eps); None counts entries that are not zero.
        out_dtype: of the gate; that of `x`, or bfloat16 where `x` is float32.
        measured: whether there are sums.

    Returns:
        The gate, as `x`, and the sums (...), float32; None for them if they were not wanted.
    """
    out = torch.empty_like(x, dtype=out_dtype)
    sums = x.new_empty(x.shape[:-1], dtype=torch.float32) if measured else None
    _gate("gate_forward", x, None, out, sums, function, threshold, eps)
    return out, sums


def gate_backward(
    x: Tensor,
    grad: Tensor,
    grad_sums: Tensor | None,
    function: Function,
    threshold: float,
    eps: float | None,
) -> Tensor:
    """The gradient of `x` from those of the gate and of its sums; see `gate_forward`.

    Args:
        x: (..., width).
        grad: as the gate.
        grad_sums: as the sums; None if they have none.
        function: of the gate.
        threshold: of the gate.
        eps: of the sums; None for counts, which have no gradient.
    """
    out = torch.empty_like(x)
    sums = None if eps is None else grad_sums
    _gate("gate_backward", x, grad, out, sums, function, threshold, eps)
    return out


def _gate(
    name: str,
    x: Tensor,
    grad: Tensor | None,
    out: Tensor,
    sums: Tensor | None,
    function: Function,
    threshold: float,
    eps: float | None,
) -> None:
    gate = out if grad is None else grad
    settings = {
        "x": x.data_ptr(),
        "grad": None if grad is None else grad.data_ptr(),
        "out": out.data_ptr(),
        "sums": None if sums is None else sums.data_ptr(),
        "width": x.shape[-1],
        "threshold": threshold,
        "eps": eps or 0.0,
        "function": _FUNCTIONS[function],
        "measure": _NOTHING if sums is None else _COUNT if eps is None else _L0,
        "kind": _KINDS[x.dtype],
        "out_kind": _KINDS[gate.dtype],
    }
    _run(name, _GateRows, settings, x.numel() // x.shape[-1], x.numel())


def norm_forward(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """T5's norm: `weight * x / sqrt(mean(x^2) + eps)`, the quotient rounded to the dtype.

    Args:
        x: (..., width).
        weight: (width,), of the same dtype.
        eps: above 0.

    Returns:
        The norm, as `x`, and the quotients' factors (...), float32.
    """
    out, scales = torch.empty_like(x), x.new_empty(x.shape[:-1], dtype=torch.float32)
    _norm("norm_forward", x, weight, None, out, scales, eps)
    return out, scales


def norm_backward(x: Tensor, weight: Tensor, scales: Tensor, grad: Tensor) -> Tensor:
    """The gradient of `x`; see `norm_forward`."""
    out = torch.empty_like(x)
    _norm("norm_backward", x, weight, grad, out, scales, 0.0)
    return out


def _norm(
    name: str,
    x: Tensor,
    weight: Tensor,
    grad: Tensor | None,
    out: Tensor,
    scales: Tensor,
    eps: float,
) -> None:
    settings = {
        "x": x.data_ptr(),
        "weight": weight.data_ptr(),
        "grad": None if grad is None else grad.data_ptr(),
        "out": out.data_ptr(),
        "scales": scales.data_ptr(),
        "width": x.shape[-1],
        "eps": eps,
        "kind": _KINDS[x.dtype],
    }
    _run(name, _NormRows, settings, scales.numel(), x.numel())


def _run(name: str, job: Any, settings: dict[str, Any], n: int, n_entries: int) -> None:
    """Compute rows, or columns, 0 to n - 1 in as many parts as torch has threads, if they pay."""
    opened = library()
    if opened is None:
        raise ValueError("expected compiled kernels, and this installation has none")
    call: Callable[[Any], None] = getattr(opened, f"deft_{name}")
    n_parts = max(1, min(torch.get_num_threads(), n, n_entries // _PART_ENTRIES))
    level = int(best_level(opened))

    def compute(part: int) -> None:
        first, last = n * part // n_parts, n * (part + 1) // n_parts
        call(ctypes.byref(job(**settings, first=first, last=last, level=level)))

    in_parts(compute, n_parts)

"""A gate's entries and what is measured of each token, in one pass over them on the CPU.

The gate in float32, its threshold, the density or its surrogate and the cast to the base's dtype
each read and write the whole tensor where torch computes them one after the other. The kernel does
it in one pass and keeps nothing but its input for the backward pass. Without the kernel, and on a
GPU, torch computes the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from deft_sweeps.kernels.trial_library import Function, gate_backward, gate_forward, usable


@dataclass(frozen=True, slots=True)
class TokenReader:
    """Reads one number a token off a gate.

    Attributes:
        eps: of `smooth_nonzero`, above 0; None for the share of entries that
            are not zero, which has no gradient.
        receive: called with the means over neurons (batch, tokens), float32.
    """

    eps: float | None
    receive: Callable[[Tensor], None]


def gate_pass(
    x: Tensor,
    compute: Callable[[Tensor], Tensor],
    threshold: float,
    reader: TokenReader | None,
) -> Tensor:
    """The gate in the dtype of `x`, computed in float32; the reader receives its numbers.

    Args:
        x: the pre-activation, (batch, tokens, d_ff).
        compute: the gate's function.
        threshold: entries with |O| <= threshold become zero; 0 changes nothing.
        reader: None reads nothing.
    """
    if compute is not torch.relu and threshold == 0 and reader is None:
        return compute(x.float()).to(x.dtype)
    if not usable(x):
        return _by_torch(x, compute, threshold, reader)
    function: Function = "relu" if compute is torch.relu else "identity"
    entries = x if function == "relu" else compute(x.float())
    out, sums = _OnePass.apply(  # type: ignore[no-untyped-call]
        entries.contiguous(),
        (function, threshold, None if reader is None else reader.eps),
        x.dtype,
        reader is not None,
    )
    if reader is not None:
        reader.receive(sums / x.shape[-1])
    return out  # type: ignore[no-any-return]


def _by_torch(
    x: Tensor, compute: Callable[[Tensor], Tensor], threshold: float, reader: TokenReader | None
) -> Tensor:
    gate = thresholded_entries(compute(x.float()), threshold)
    if reader is not None:
        values = (gate != 0).float() if reader.eps is None else smooth_nonzero(gate, reader.eps)
        reader.receive(values.mean(-1))
    return gate.to(x.dtype)


def smooth_nonzero(gate: Tensor, eps: float) -> Tensor:
    """O^2 / (O^2 + eps), entry by entry, in [0, 1): a smooth stand-in for `O != 0`."""
    square = gate.square()
    return square / (square + eps)


def thresholded_entries(gate: Tensor, threshold: float) -> Tensor:
    """The gate with entries |O| <= threshold zeroed; at 0 it is returned as it is."""
    return functional.hardshrink(gate, threshold) if threshold > 0 else gate


class _OnePass(torch.autograd.Function):
    """The kernel with its gradient.

    Arguments are the entries, (function, threshold, eps), the dtype of the result, and whether
    there are sums.
    """

    @staticmethod
    def forward(
        ctx: Any,
        entries: Tensor,
        settings: tuple[Function, float, float | None],
        dtype: torch.dtype,
        measured: bool,
    ) -> tuple[Tensor, Tensor | None]:
        ctx.save_for_backward(entries)
        ctx.settings = settings
        ctx.set_materialize_grads(False)
        out, sums = gate_forward(entries, *settings, dtype, measured=measured)
        if sums is not None and settings[2] is None:
            ctx.mark_non_differentiable(sums)
        return out, sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, grad_sums: Tensor | None) -> tuple[Any, ...]:
        (entries,) = ctx.saved_tensors
        function, threshold, eps = ctx.settings
        if grad is None:
            grad = torch.zeros_like(entries)
        if grad_sums is not None:
            grad_sums = grad_sums.float().contiguous()
        result = gate_backward(
            entries,
            grad.contiguous(),
            grad_sums,
            function,
            threshold,
            None if grad_sums is None else eps,
        )
        return result, None, None, None

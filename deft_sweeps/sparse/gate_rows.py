"""The gate of one token and the rows that it leaves to compute."""

import math
from functools import partial

import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import FUNCTIONS, Gate
from deft_sweeps.sparse.mlp_library import library
from deft_sweeps.sparse.packed_rows import active_rows

SPARSE_BELOW = 0.95
"""A gate with a larger share of active entries is computed without a list of them."""

_CODES = {"relu": 0, "gelu": 1, "gelu_new": 2, "silu": 3}
"""Functions that `deft_gate` of mlp_kernel.c computes."""


def listed_rows(gate: Tensor) -> Tensor | None:
    """Numbers of a gate's active entries; None, for all, where skipping would save nothing."""
    return _worthwhile(active_rows(gate), gate)


def activated(act: Gate, pre_activation: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """The gate of one token, and the numbers of its active entries; None for all of them.

    The kernel computes both in one call, since a call of torch costs most right after weights have
    taken its code out of the processor's cache. Where the gate is read, or computes a function of
    its own, the module does.

    Args:
        act: the gate.
        pre_activation: (d_ff,), float32; overwritten.
        x: (d,), float32, the MLP's input. Where it is not finite all rows count, since an inactive
            entry is then 0 times something that may be infinite.
    """
    opened = library()
    if opened is None or act.reader is not None or not _is_standard(act):
        gate = act(pre_activation.view(1, 1, -1)).view(-1)
        return gate, listed_rows(gate) if math.isfinite(float(x.sum())) else None
    n = pre_activation.shape[0]
    active = torch.empty(n + 1, dtype=torch.int32)
    threshold = max(act.threshold, act.block_threshold)
    n_active = opened.deft_gate(
        *(pre_activation.data_ptr(), n, _CODES[act.function], threshold, active.data_ptr()),
        *(x.data_ptr(), x.shape[0]),
    )
    if n_active < 0:
        return act(pre_activation), None
    return pre_activation, _worthwhile(active[:n_active], pre_activation)


def _worthwhile(active: Tensor, gate: Tensor) -> Tensor | None:
    return None if active.shape[0] > SPARSE_BELOW * gate.shape[0] else active


def _is_standard(act: Gate) -> bool:
    """Whether the gate computes the function of its name, as copies of it do too."""
    own, named = act.compute, FUNCTIONS.get(act.function)
    if isinstance(own, partial) and isinstance(named, partial):
        return own.func is named.func and own.keywords == named.keywords
    return own is named and act.function in _CODES

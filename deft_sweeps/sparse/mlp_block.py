"""MLP blocks of a loaded model that skip the rows of inactive gate entries.

With one token, a projection is as slow as reading its weights. Of a gated MLP's three matrices the
gate's is read whole, the other two where the gate is active: 3 / (1 + 2 * density) times the speed
at best. Without a second projection it is 2 / (1 + density). Several tokens at once together have
nearly all entries active: their products are torch's dense ones, unless they are few and sparse
enough to be computed one by one.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from deft_sweeps.axes.activation.gate import Gate
from deft_sweeps.sparse.packed_rows import (
    PackedRows,
    active_rows,
    row_products,
    sum_of_rows,
)

DENSE_PASSES = 0.8
"""Tokens are computed one by one while their active rows, all together, are at most that many times
the matrix: the dense product reads it once. (`benchmarks/sparse.py`)"""

CONVERTED_PASSES = 4.0
"""The same if the dense product must first convert the weights to the input's dtype, which writes
and reads a copy."""

SPARSE_BELOW = 0.95
"""A gate with a larger share of active entries is computed without a list of them."""


def _one_by_one(n_tokens: float, rows: PackedRows, dtype: torch.dtype) -> bool:
    """Whether products with `n_tokens` (times their density) are cheaper token by token.

    A single dense token always is: its weights are read once in either case.
    """
    return n_tokens <= (DENSE_PASSES if rows.entries.dtype == dtype else CONVERTED_PASSES)


def _list_of(gate: Tensor) -> Tensor | None:
    """Numbers of the active entries; None, for all, where skipping would save nothing."""
    active = active_rows(gate)
    return None if active.shape[0] > SPARSE_BELOW * gate.shape[0] else active


def _share(gate: Tensor) -> float:
    return int(gate.count_nonzero()) / gate.numel()


class PackedLinear(nn.Module):
    """A linear layer whose weights are all read: the projection into the gate.

    Args:
        rows: (out, in).
        bias: (out,), or None.
        n_threads: of the kernel; None for as many as torch has.
    """

    def __init__(self, rows: PackedRows, bias: Tensor | None, n_threads: int | None) -> None:
        super().__init__()
        self.rows, self.bias, self.n_threads = rows, bias, n_threads

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), in x's dtype."""
        tokens = x.reshape(-1, x.shape[-1])
        if len(tokens) != 1 and not _one_by_one(len(tokens), self.rows, x.dtype):
            return functional.linear(x, self.rows.dense(x.dtype), self.bias)
        n_threads = self.n_threads or torch.get_num_threads()
        out = [row_products(self.rows, token, n_threads) for token in tokens.float().contiguous()]
        products = torch.stack(out) if len(out) != 1 else out[0]
        if self.bias is not None:
            products = products + self.bias.float()
        return products.to(x.dtype).view(*x.shape[:-1], self.rows.n_rows)


class SparseDown(nn.Module):
    """The projection back from a thresholded gate, which reads the rows of active entries only.

    Args:
        rows: the transposed weight, (d_ff, d).
        bias: (d,), or None.
        n_threads: of the kernel; None for as many as torch has.
    """

    weight = None
    """transformers' T5 asks for its dtype."""

    def __init__(self, rows: PackedRows, bias: Tensor | None, n_threads: int | None) -> None:
        super().__init__()
        self.rows, self.bias, self.n_threads = rows, bias, n_threads

    def forward(self, gate: Tensor) -> Tensor:
        """(..., d_ff) to (..., d), in the gate's dtype."""
        tokens = gate.reshape(-1, gate.shape[-1])
        n = len(tokens)
        if n != 1 and not _one_by_one(n * _share(tokens), self.rows, gate.dtype):
            return functional.linear(gate, self.rows.dense(gate.dtype).t(), self.bias)
        n_threads = self.n_threads or torch.get_num_threads()
        sums = torch.stack(
            [
                sum_of_rows(None, self.rows, token, None, _list_of(token), n_threads)
                for token in tokens.float().contiguous()
            ]
        )
        if self.bias is not None:
            sums = sums + self.bias.float()
        return sums.to(gate.dtype).view(*gate.shape[:-1], -1)


class SparseGatedMlp(nn.Module):
    """T5's gated MLP without dropout: `down(act(gate x) * up x)`, none of them with a bias.

    Args:
        gate_rows: (d_ff, d).
        up: (d_ff, d).
        down: the transposed weight, (d_ff, d).
        act: the gate, which knows its threshold.
        n_threads: of the kernel; None for as many as torch has.
    """

    def __init__(
        self,
        gate_rows: PackedRows,
        up: PackedRows,
        down: PackedRows,
        act: Gate,
        n_threads: int | None,
    ) -> None:
        super().__init__()
        self.wi_0 = PackedLinear(gate_rows, None, n_threads)
        self.up, self.down, self.act, self.n_threads = up, down, act, n_threads

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) to (..., d), in x's dtype."""
        tokens = x.reshape(-1, x.shape[-1])
        n = len(tokens)
        # One token keeps its products in float32, which the kernel gives them in.
        gate = self.act(self.wi_0(x.float() if n == 1 else x))
        gates = gate.reshape(-1, gate.shape[-1])
        if n != 1 and not _one_by_one(n * _share(gates), self.up, x.dtype):
            hidden = gate * functional.linear(x, self.up.dense(x.dtype))
            return functional.linear(hidden, self.down.dense(x.dtype).t())
        pairs = zip(tokens.float().contiguous(), gates.float().contiguous(), strict=True)
        sums = torch.stack([self._sum(token, entries) for token, entries in pairs])
        return sums.to(x.dtype).view(x.shape)

    def _sum(self, token: Tensor, gate: Tensor) -> Tensor:
        n_threads = self.n_threads or torch.get_num_threads()
        # An inactive entry is 0 times its up product, which is NaN where that is not finite.
        finite = math.isfinite(float(token.sum()))
        active = _list_of(gate) if finite else None
        return sum_of_rows(self.up, self.down, gate, token, active, n_threads)

"""MLP blocks of a loaded model that skip the rows of inactive gate entries.

With one token, a projection is as slow as reading its weights. Of a gated MLP's three matrices the
gate's is read whole, the other two where the gate is active: 3 / (1 + 2 * density) times the speed
at best. Without a second projection it is 2 / (1 + density). Several tokens at once together have
nearly all entries active: their products are torch's dense ones, unless they are few and sparse
enough to be computed one by one.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from deft_sweeps.axes.activation.gate import Gate
from deft_sweeps.sparse.gate_rows import activated, listed_rows
from deft_sweeps.sparse.packed_rows import PackedRows, row_products, sum_of_rows

DENSE_PASSES = 0.8
"""Tokens are computed one by one while their active rows, all together, are at most that many times
the matrix: the dense product reads it once. An estimate (`benchmarks/sparse_switch.py`)."""

CONVERTED_PASSES = 4.0
"""The same if the dense product must first convert the weights to the input's dtype, which writes
and reads a copy."""


def _one_by_one(n_tokens: float, rows: PackedRows, dtype: torch.dtype) -> bool:
    """Whether products with `n_tokens`, times their density, are cheaper token by token."""
    return n_tokens <= (DENSE_PASSES if rows.entries.dtype == dtype else CONVERTED_PASSES)


def _share(gate: Tensor) -> float:
    return int(gate.count_nonzero()) / gate.numel()


def _for_each(x: Tensor, compute: Callable[..., Tensor], *others: Tensor) -> Tensor:
    """What `compute` gives for each token of `x`, and of the others, in float32; one vector
    if there is one token only.
    """
    columns = [one.reshape(-1, one.shape[-1]).float().contiguous() for one in (x, *others)]
    if columns[0].shape[0] == 1:
        return compute(*(column[0] for column in columns))
    return torch.stack([compute(*tokens) for tokens in zip(*columns, strict=True)])


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
        n = x.numel() // x.shape[-1]
        if n != 1 and not _one_by_one(n, self.rows, x.dtype):
            return functional.linear(x, self.rows.dense(x.dtype), self.bias)
        n_threads = self.n_threads or torch.get_num_threads()
        products = _for_each(x, lambda token: row_products(self.rows, token, n_threads))
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
        n = gate.numel() // gate.shape[-1]
        if n != 1 and not _one_by_one(n * _share(gate), self.rows, gate.dtype):
            return functional.linear(gate, self.rows.dense(gate.dtype).t(), self.bias)
        n_threads = self.n_threads or torch.get_num_threads()
        sums = _for_each(
            gate,
            lambda token: sum_of_rows(None, self.rows, token, None, listed_rows(token), n_threads),
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
        n = x.numel() // x.shape[-1]
        if n == 1:
            token = x.reshape(-1).float()
            return self._sum(token, *self._activated(token)).to(x.dtype).view(x.shape)
        gate = self.act(self.wi_0(x))
        if _one_by_one(n * _share(gate), self.up, x.dtype):
            return _for_each(x, self._sum_of_active, gate).to(x.dtype).view(x.shape)
        hidden = gate * functional.linear(x, self.up.dense(x.dtype))
        return functional.linear(hidden, self.down.dense(x.dtype).t())

    def _activated(self, token: Tensor) -> tuple[Tensor, Tensor | None]:
        """One token's gate in float32, as the kernel gives it, and the rows of its active
        entries.
        """
        n_threads = self.n_threads or torch.get_num_threads()
        return activated(self.act, row_products(self.wi_0.rows, token, n_threads), token)

    def _sum_of_active(self, token: Tensor, gate: Tensor) -> Tensor:
        # An inactive entry is 0 times its up product, which is NaN where that is not finite.
        finite = math.isfinite(float(token.sum()))
        return self._sum(token, gate, listed_rows(gate) if finite else None)

    def _sum(self, token: Tensor, gate: Tensor, active: Tensor | None) -> Tensor:
        n_threads = self.n_threads or torch.get_num_threads()
        return sum_of_rows(self.up, self.down, gate, token, active, n_threads)

"""A projection's weights as rows that are computed or skipped one by one, and their products with
one token.
"""

import ctypes
import mmap
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from deft_sweeps.kernels.compiled_library import best_level, in_parts
from deft_sweeps.sparse.mlp_library import KernelJob, Rows, library

Storage = Literal["fp32", "bf16", "int8"]
"""How weights are stored: float32, bfloat16, or int8 with a float32 factor for each row."""

STORAGES: tuple[Storage, ...] = get_args(Storage)
_KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}

LARGE_PAGE_BYTES = 2 * 2**20
MIN_PART_BYTES = 256 * 2**10
"""A thread is asked only for a part that reads at least that much: handing it over takes about as
long as reading it."""


@dataclass(frozen=True, slots=True)
class PackedRows:
    """A matrix of weights on the CPU.

    Attributes:
        entries: (rows, width), float32, bfloat16 or int8; entries of a row are contiguous.
        scale: (rows,), float32, what int8 entries are multiplied with; None for other kinds.
    """

    entries: Tensor
    scale: Tensor | None = None

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self.entries.shape[0]

    @property
    def n_bytes(self) -> int:
        """Of the entries and their scales."""
        scale = 0 if self.scale is None else self.scale.nbytes
        return self.entries.nbytes + scale

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The matrix as torch multiplies with it; a copy only where the dtype differs."""
        if self.scale is None:
            return self.entries.to(dtype)
        return (self.entries.float() * self.scale.unsqueeze(1)).to(dtype)


def in_large_pages(values: Tensor) -> Tensor:
    """A contiguous copy in pages of 2 MiB if the system has such pages and the copy fills some.

    Rows that are skipped to lie in other pages; with small ones, looking up where a page is takes
    a good part of the time.
    """
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None or values.nbytes < 2 * LARGE_PAGE_BYTES:
        return values.clone(memory_format=torch.contiguous_format)
    memory = mmap.mmap(-1, values.nbytes + LARGE_PAGE_BYTES)
    with suppress(OSError):  # The kernel was built without them.
        memory.madvise(advice)
    raw = torch.frombuffer(memory, dtype=torch.uint8)
    start = -raw.data_ptr() % LARGE_PAGE_BYTES
    copy = raw[start : start + values.nbytes].view(values.dtype).view(values.shape)
    return copy.copy_(values)


def pack_rows(weight: Tensor, storage: Storage) -> PackedRows:
    """Store a matrix row by row.

    Args:
        weight: (rows, width), floating point; may be a transposed view.
        storage: int8 rounds each row to 255 levels between its largest absolute value and the
            negative of it.
    """
    weight = weight.detach()
    if storage == "int8":
        largest = weight.float().abs().amax(dim=1)
        scale = torch.where(largest > 0, largest / 127, 1.0)
        entries = (weight.float() / scale.unsqueeze(1)).round().to(torch.int8)
        return PackedRows(in_large_pages(entries), scale)
    dtype = torch.float32 if storage == "fp32" else torch.bfloat16
    return PackedRows(in_large_pages(weight.to(dtype)))


def active_rows(gate: Tensor) -> Tensor:
    """Places of a gate's entries that are not zero; a NaN is active.

    Args:
        gate: (d_ff,), float32, contiguous.

    Returns:
        int32, rising.
    """
    opened = library()
    if opened is None:
        return gate.nonzero().flatten().int()
    active = torch.empty(gate.shape[0] + 1, dtype=torch.int32)
    n_active = opened.deft_active(gate.data_ptr(), gate.shape[0], active.data_ptr())
    return active[:n_active]


def row_products(rows: PackedRows, x: Tensor, n_threads: int = 1) -> Tensor:
    """`rows @ x`.

    Args:
        rows: all are computed.
        x: (width,), float32, contiguous.
        n_threads: that may compute at once.

    Returns:
        (rows,), float32.
    """
    opened = library()
    if opened is None:
        return torch.mv(rows.dense(torch.float32), x)
    out = torch.empty(rows.n_rows)
    call = _Call(rows, None, x, None, None, rows.n_rows)
    call.run(opened, [out.data_ptr()] * n_threads, n_threads)
    return out


def sum_of_rows(
    up: PackedRows | None,
    down: PackedRows,
    gate: Tensor,
    x: Tensor | None,
    active: Tensor | None,
    n_threads: int = 1,
) -> Tensor:
    """The sum of `gate[i] * (up[i] @ x) * down[i]` over the active rows i; without `up`, of
    `gate[i] * down[i]`.

    Args:
        up: (d_ff, d) of a gated MLP.
        down: the transposed down projection, (d_ff, d), stored as `up` is.
        gate: (d_ff,), float32, contiguous.
        x: (d,), float32, contiguous; None without `up`.
        active: int32 row numbers, rising; None for all rows.
        n_threads: that may compute at once. The order of summation depends on it.

    Returns:
        (d,), float32.
    """
    opened = library()
    n_active = down.n_rows if active is None else active.shape[0]
    width = down.entries.shape[1]
    if opened is None:
        return _torch_sum(up, down, gate, x, active)
    call = _Call(up, down, x, gate, active, n_active)
    n_parts = call.n_parts(n_threads)
    sums = torch.zeros(n_parts, width)
    call.run(opened, [one.data_ptr() for one in sums], n_threads)
    return sums[0] if n_parts == 1 else sums.sum(0)


def _torch_sum(
    up: PackedRows | None,
    down: PackedRows,
    gate: Tensor,
    x: Tensor | None,
    active: Tensor | None,
) -> Tensor:
    def chosen(rows: PackedRows) -> Tensor:
        if active is None:
            return rows.dense(torch.float32)
        scale = None if rows.scale is None else rows.scale[active]
        return PackedRows(rows.entries[active], scale).dense(torch.float32)

    factors = gate if active is None else gate[active]
    if up is not None and x is not None:
        factors = factors * torch.mv(chosen(up), x)
    return torch.mv(chosen(down).t(), factors)


class _Call:
    """One computation, cut into parts of equally many rows. Holds what its pointers point to."""

    def __init__(
        self,
        up: PackedRows | None,
        down: PackedRows | None,
        x: Tensor | None,
        gate: Tensor | None,
        active: Tensor | None,
        n_rows: int,
    ) -> None:
        self.up, self.down, self.x, self.gate, self.active = up, down, x, gate, active
        self.n_rows = n_rows
        some = up if down is None else down
        assert some is not None
        self.entries = some.entries

    def n_parts(self, n_threads: int) -> int:
        n_matrices = (self.up is not None) + (self.down is not None)
        row_bytes = self.entries.shape[1] * self.entries.element_size()
        most = self.n_rows * row_bytes * n_matrices // MIN_PART_BYTES
        return max(1, min(n_threads, most))

    def run(self, opened: ctypes.CDLL, results: list[int], n_threads: int) -> None:
        n_parts = self.n_parts(n_threads)
        up, down = self._rows(self.up), self._rows(self.down)
        level = best_level(opened)

        def compute(part: int) -> None:
            job = KernelJob(
                up,
                down,
                self.entries.shape[1],
                self.n_rows * part // n_parts,
                self.n_rows * (part + 1) // n_parts,
                None if self.x is None else self.x.data_ptr(),
                None if self.gate is None else self.gate.data_ptr(),
                results[part],
                _KINDS[self.entries.dtype],
                level,
            )
            opened.deft_run(ctypes.addressof(job))

        in_parts(compute, n_parts)

    def _rows(self, rows: PackedRows | None) -> Rows:
        if rows is None:
            return Rows()
        active = None if self.active is None else self.active.data_ptr()
        scale = None if rows.scale is None else rows.scale.data_ptr()
        stride = rows.entries.stride(0) * rows.entries.element_size()
        return Rows(rows.entries.data_ptr(), scale, active, stride)

"""A threshold for each block from the distribution of its own gate: that at which a given share of
the entries is zeroed.

The distribution is kept as a histogram over the leading bits of |O|, whose order is that of the
floats: 131,072 counts a block, however many entries there are. A bucket is 2^-9 of its value wide,
so that a threshold is above the exact quantile by less than 0.2 %.
"""

from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import GateAt, Gates, read_by
from deft_sweeps.axes.token_mask import Masks

_DROPPED_BITS = 14
RELATIVE_ERROR = 2.0 ** (_DROPPED_BITS - 23)
"""Of a threshold: it is at least the exact quantile, and at most this share above it. A float32 has
23 bits after the leading one."""
_N_BUCKETS = 1 << (31 - _DROPPED_BITS)


def counts(values: Tensor) -> Tensor:
    """How many of |values| fall into each bucket.

    Args:
        values: any shape, float32.

    Returns:
        (131072,), int64, on the values' device.
    """
    buckets = values.abs().contiguous().view(torch.int32).flatten() >> _DROPPED_BITS
    return torch.bincount(buckets, minlength=_N_BUCKETS)


def quantile(counted: Tensor, share: float) -> float:
    """A value that at least `share` of the counted ones do not exceed: the upper end of the bucket
    that the exact quantile is in.

    Args:
        counted: as `counts` gives them, summed over any number of tensors.
        share: in (0, 1].

    Returns:
        0.0 where that many are exact zeros, and where nothing was counted.
    """
    upto = counted.cumsum(0)
    bucket = int((upto < share * int(upto[-1])).sum())
    if bucket == 0:
        return 0.0
    end = torch.tensor([((bucket + 1) << _DROPPED_BITS) - 1], dtype=torch.int32)
    return float(end.view(torch.float32))


class GateHistogram:
    """The distribution of |O| of every gate over calibration examples, real tokens only, with
    nothing zeroed.
    """

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self._counts: list[Tensor | None] = [None] * len(gates)

    def reading(self, masks: Masks) -> AbstractContextManager[None]:
        """Count in the forward passes inside."""
        return read_by(
            self._gates,
            (partial(self._count, number, at, masks) for number, at in enumerate(self._gates)),
        )

    @torch.no_grad()
    def _count(self, number: int, at: GateAt, masks: Masks, _: Tensor, gate: Tensor) -> None:
        counted, before = counts(gate[masks.of(at, gate.shape[1]).bool()]), self._counts[number]
        self._counts[number] = counted if before is None else before + counted

    def thresholds(self, share: float) -> tuple[float, ...]:
        """For each gate the threshold that zeroes `share` of its entries, in the gates' order; 0.0
        for a gate that was never read.

        Args:
            share: of all entries of real tokens, in (0, 1).
        """
        return tuple(
            0.0 if counted is None else quantile(counted, share) for counted in self._counts
        )

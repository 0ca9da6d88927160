"""The activation density that evaluation reports (arXiv 2402.01911).

A count of non-zero entries of the gate, per block: mean over neurons and tokens of a sample, then
over samples.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from deft_sweeps.axes.activation.gate import GateAt, Gates, read_by
from deft_sweeps.axes.activation.gate_pass import TokenReader
from deft_sweeps.axes.token_mask import Masks, masked_mean
from deft_sweeps.result import DensityReading, SkippedBlocks


class DensityMeter:
    """Counts non-zero entries of the gates over an evaluation, at the threshold that the gates
    apply.

    Args:
        gates: to read.
        native: also count the activation as the base's own dtype gives it, which is what the
            paper's code counts.
    """

    def __init__(self, gates: Gates, native: bool = False) -> None:
        self._gates = gates
        self._gate_sums = [0.0] * len(gates)
        self._native_sums = [0.0] * len(gates) if native else None
        self._samples = [0] * len(gates)

    @contextmanager
    def reading(self, masks: Masks) -> Iterator[None]:
        """Count in the forward passes inside."""
        readers = [
            TokenReader(None, partial(self._count, number, at, masks))
            for number, at in enumerate(self._gates)
        ]
        with ExitStack() as hooks:
            if self._native_sums is not None:
                for number, at in enumerate(self._gates):
                    count = partial(self._count_native, self._native_sums, number, at, masks)
                    hooks.enter_context(at.gate.register_forward_pre_hook(count))
            with read_by(self._gates, readers):
                yield

    @torch.no_grad()
    def _count_native(
        self,
        sums: list[float],
        number: int,
        at: GateAt,
        masks: Masks,
        _: nn.Module,
        inputs: tuple[Tensor],
    ) -> None:
        sums[number] += _sum(at, masks, at.gate.native_shares(*inputs))

    def _count(self, number: int, at: GateAt, masks: Masks, shares: Tensor) -> None:
        self._gate_sums[number] += _sum(at, masks, shares)
        self._samples[number] += shares.shape[0]

    def result(self) -> DensityReading:
        """Mean over samples, per block.

        Raises:
            ValueError: a gate was never read.
        """
        return self._reading(self._gate_sums)

    def native_result(self) -> DensityReading:
        """The same of the activation in the base's own dtype.

        Raises:
            ValueError: it was not asked for, or a gate was never read.
        """
        if self._native_sums is None:
            raise ValueError("made without native=True")
        return self._reading(self._native_sums)

    def _reading(self, sums: list[float]) -> DensityReading:
        if not sums or any(
            n == 0 for at, n in zip(self._gates, self._samples, strict=True) if not at.gate.skipped
        ):
            raise ValueError("a gate was never read: no forward pass ran inside `reading`")
        # A removed block never runs: its sum is 0.
        means = [
            (at.stack, total / max(1, n))
            for at, total, n in zip(self._gates, sums, self._samples, strict=True)
        ]
        return DensityReading(
            encoder_blocks=tuple(mean for stack, mean in means if stack == "encoder"),
            decoder_blocks=tuple(mean for stack, mean in means if stack == "decoder"),
            skipped=skipped_blocks(self._gates),
        )


def skipped_blocks(gates: Gates) -> SkippedBlocks:
    """Which of the blocks were removed."""
    removed = [at for at in gates if at.gate.skipped]
    return SkippedBlocks(
        encoder=tuple(at.index for at in removed if at.stack == "encoder"),
        decoder=tuple(at.index for at in removed if at.stack == "decoder"),
    )


def _sum(at: GateAt, masks: Masks, shares: Tensor) -> float:
    """Sum over samples of each one's mean share of non-zero entries among its real tokens.

    Args:
        at: the gate that was read.
        masks: which positions are real.
        shares: of each token, (batch, tokens).
    """
    return float(masked_mean(shares, masks.of(at, shares.shape[1])).sum())

"""Activation density while a model writes its own answer, beside the teacher-forced one, which sees the real labels instead."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from deft_sweeps.axes.activation import Gates
from deft_sweeps.axes.density import Masks, masked_mean
from deft_sweeps.result import DensityReading


class WrittenDensity:
    """Counts non-zero gate entries over greedy decoding: every input token once, and every step of a text until its end token.

    Steps that a finished text idles through, since others of its batch are not done, are left out.
    """

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self._sums = [0.0] * len(gates)
        self._n_samples = 0
        self._shares: list[list[Tensor]] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Collect the forward passes of one batch's generation inside; `count` comes next."""
        self._shares = [[] for _ in self._gates]
        for number, at in enumerate(self._gates):
            at.gate.reader = partial(self._read, number)
        try:
            yield
        finally:
            for at in self._gates:
                at.gate.reader = None

    def count(self, attention_mask: Tensor, real: Tensor) -> None:
        """Add the batch that was just read.

        Args:
            attention_mask: (batch, input tokens), 1 on real ones.
            real: (batch, steps), 1 up to the step that wrote the end token.
        """
        masks = Masks(attention_mask, real)
        for number, at in enumerate(self._gates):
            shares = torch.cat(self._shares[number], dim=1)
            self._sums[number] += float(masked_mean(shares, masks.of(at, shares.shape[1])).sum())
        self._n_samples += real.shape[0]
        self._shares = []

    def result(self) -> DensityReading:
        """Mean over samples, per block.

        Raises:
            ValueError: nothing was counted.
        """
        if not self._n_samples:
            raise ValueError("nothing was written inside `reading`")
        means = [(at.stack, total / self._n_samples) for at, total in zip(self._gates, self._sums, strict=True)]
        return DensityReading(
            encoder_blocks=tuple(mean for stack, mean in means if stack == "encoder"),
            decoder_blocks=tuple(mean for stack, mean in means if stack == "decoder"),
        )

    @torch.no_grad()
    def _read(self, number: int, _: Tensor, gate: Tensor) -> None:
        self._shares[number].append((gate != 0).float().mean(-1))

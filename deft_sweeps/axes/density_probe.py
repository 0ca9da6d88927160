"""The density loss that training adds (arXiv 2402.01911).

A smooth, differentiable surrogate of the activation density, and at most that density. It is taken
of the gate in float32, per block: mean over neurons and tokens of a sample, then over samples.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import GateAt, Gates, Reader
from deft_sweeps.axes.activation.gate_pass import TokenReader, smooth_nonzero
from deft_sweeps.axes.token_mask import Masks, masked_mean
from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.errors import TrialError


def surrogate(gate: Tensor, loss: DensityLoss) -> Tensor:
    """Smooth stand-in for `gate != 0`, entry by entry, in [0, 1): x^2 / (x^2 + eps), or tanh(beta
    |x|).

    Args:
        gate: any shape, float32 (in float16 the default eps is subnormal and x^2 underflows).
        loss: which surrogate.
    """
    if loss.surrogate == "tanh":
        return torch.tanh(loss.beta * gate.abs())
    return smooth_nonzero(gate, loss.eps)


def scheduled(loss: DensityLoss, step: int, total: int) -> DensityLoss:
    """The density loss of step `step` (0 to total - 1) of `total`, with the weight and the eps that
    its schedules have come to.

    A function of the step alone, so that a trial taken up again goes on where it stopped. The
    weight rises as the learning rate does: it is full at the last step of its warm-up. Eps starts
    at `eps_start_factor * eps` and goes by equal factors until it is `eps`.
    """
    rising = math.ceil(loss.weight_warmup * total)
    if step < rising:
        loss = replace(loss, weight=loss.weight * (step + 1) / rising)
    falling = math.ceil(loss.eps_anneal * total)
    if loss.eps_start_factor != 1 and step < falling:
        loss = replace(loss, eps=loss.eps * loss.eps_start_factor ** (1 - step / falling))
    return loss


def block_density_loss(gate: Tensor, mask: Tensor, loss: DensityLoss) -> Tensor:
    """One block's share of the density loss, a scalar in [0, 1).

    Args:
        gate: (batch, tokens, d_ff), float32.
        mask: (batch, tokens), 1 for the tokens that count.
        loss: surrogate and reduction.
    """
    if loss.reduction == "per_entry":
        return masked_mean(surrogate(gate, loss).mean(-1), mask).mean()
    weights = mask.to(gate.dtype).unsqueeze(-1)
    return surrogate((gate * weights).sum((0, 1)) / weights.sum(), loss).mean()


def combine(encoder: list[Tensor], decoder: list[Tensor], loss: DensityLoss) -> Tensor:
    """The density loss of all blocks, before its weight: the sum of the stacks' means, or one mean
    over all blocks.
    """
    weighted = (
        [block * loss.encoder_weight for block in encoder],
        [block * loss.decoder_weight for block in decoder],
    )
    if loss.stacks == "sum":
        return torch.stack([torch.stack(blocks).mean() for blocks in weighted if blocks]).sum()
    return torch.stack(weighted[0] + weighted[1]).mean()


@dataclass(slots=True)
class GateReadings:
    """What a probe read in one forward pass."""

    encoder: list[Tensor] = field(default_factory=list)
    decoder: list[Tensor] = field(default_factory=list)


class DensityProbe:
    """Reads the density loss off a model's gates while it trains.

    `with probe: with probe.reading(masks) as reading: model(...)`; then `probe.value(reading)` is
    part of the loss. Under gradient checkpointing a block runs again in the backward pass: by then
    the reading is closed, and what the gates compute again goes only to the recomputed graph.
    Reentrant checkpointing runs the first pass without a graph, so that the density loss would have
    no gradient: it is refused.

    A block that was removed counts 0 among the blocks of its stack, as it does in the metric.

    Args:
        gates: to read.
        loss: surrogate and reduction.
        shares: gives how much of each block is there, scalars in [0, 1] in the gates' order, anew
            for each reading; None counts every block fully.
    """

    def __init__(
        self, gates: Gates, loss: DensityLoss, shares: Callable[[], Sequence[Tensor]] | None = None
    ) -> None:
        self._gates = gates
        self._settings = loss
        self._loss = loss
        self._shares = shares
        self._share_of: dict[int, Tensor] = {}
        self._masks: Masks | None = None
        self._open: GateReadings | None = None
        self._differentiated = False

    def __enter__(self) -> "DensityProbe":
        self._set_readers()
        return self

    def __exit__(self, *_: object) -> None:
        for at in self._gates:
            at.gate.reader = None
        self._masks = self._open = None
        self._share_of = {}

    def schedule(self, step: int, total: int) -> None:
        """Take weight and eps to step `step` (0 to total - 1) of `total`."""
        self._loss = scheduled(self._settings, step, total)

    @property
    def weight(self) -> float:
        """Of the density loss beside the task loss, at the step that was scheduled last."""
        return self._loss.weight

    def value(self, reading: GateReadings) -> Tensor:
        """The density loss of a forward pass, before its weight."""
        return combine(reading.encoder, reading.decoder, self._loss)

    @contextmanager
    def reading(self, masks: Masks) -> Iterator[GateReadings]:
        """Collect one value a block from the forward pass inside.

        Args:
            masks: which positions are real.

        Raises:
            TrialError: the model checkpoints its gradients in the reentrant way.
        """
        self._set_readers()
        self._masks = masks
        self._open = GateReadings()
        self._differentiated = torch.is_grad_enabled()
        if self._shares is not None:
            self._share_of = {
                id(at): share for at, share in zip(self._gates, self._shares(), strict=True)
            }
        for at in self._gates:
            if at.gate.skipped:
                self._into(at).append(torch.zeros((), device=masks.device))
        try:
            yield self._open
        finally:
            self._open = None

    def _set_readers(self) -> None:
        for at in self._gates:
            at.gate.reader = self._reader(at)

    def _reader(self, at: GateAt) -> Reader:
        """Reads a mean over neurons a token where the loss is one of such means, which the gate
        gives in the pass that computes it; else all entries.
        """
        if self._loss.reduction == "per_entry" and self._loss.surrogate == "l0":
            return TokenReader(self._loss.eps, partial(self._read_means, at))
        return partial(self._read_entries, at)

    def _read_means(self, at: GateAt, means: Tensor) -> None:
        mask = self._mask(at, means.shape[1])
        if mask is not None:
            self._add(at, masked_mean(means, mask).mean())

    def _read_entries(self, at: GateAt, _: Tensor, gate: Tensor) -> None:
        mask = self._mask(at, gate.shape[1])
        if mask is not None:
            self._add(at, block_density_loss(gate, mask, self._loss))

    def _mask(self, at: GateAt, n_tokens: int) -> Tensor | None:
        """Which tokens of a forward pass count; None outside of a reading.

        Raises:
            TrialError: the model checkpoints its gradients in the reentrant way.
        """
        if self._masks is None:
            return None
        if self._open is not None and self._differentiated and not torch.is_grad_enabled():
            raise TrialError(
                "reentrant gradient checkpointing loses the density loss's gradient; enable it with"
                " gradient_checkpointing_kwargs={'use_reentrant': False}"
            )
        masks = self._masks.all_ones() if self._loss.padding == "include" else self._masks
        return masks.of(at, n_tokens)

    def _add(self, at: GateAt, value: Tensor) -> None:
        if self._shares is not None:
            value = value * self._share_of[id(at)]
        if self._open is not None:
            self._into(at).append(value)

    def _into(self, at: GateAt) -> list[Tensor]:
        if self._open is None:
            raise ValueError("no reading is open")
        return self._open.encoder if at.stack == "encoder" else self._open.decoder

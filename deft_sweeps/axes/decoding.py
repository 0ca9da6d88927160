"""The activation density while a model generates, beside the teacher-forced one of `density`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import GateAt, Gates, read_by
from deft_sweeps.axes.activation.gate_pass import TokenReader
from deft_sweeps.axes.density_meter import skipped_blocks
from deft_sweeps.axes.token_mask import Masks, masked_mean
from deft_sweeps.result import DensityReading


class GenerationMeter:
    """Counts non-zero entries of the gates while a model generates, greedily or sampling, at the
    threshold that the gates apply.

    `with meter.reading(attention_mask): sequences = model.generate(...)`, then
    `meter.close(generated_lengths(sequences, eos))`. The encoder is read once a sample; each
    decoded token once, whether or not the model keeps a cache; what a finished sample goes on to
    decode beside the others does not count.
    """

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self._sums = [0.0] * len(gates)
        self._samples = 0
        self._shares: list[Tensor] = []

    def reading(self, attention_mask: Tensor) -> AbstractContextManager[None]:
        """Read one `generate` over a batch.

        Args:
            attention_mask: (batch, tokens) of the encoder's input.

        Raises:
            ValueError: the decoder runs more sequences than there are samples, as beam search does.
        """
        self._shares = [
            torch.zeros(attention_mask.shape[0], 0, device=attention_mask.device)
            for _ in self._gates
        ]
        masks = Masks(attention_mask, None)
        return read_by(
            self._gates,
            (
                TokenReader(None, partial(self._read, number, at, masks))
                for number, at in enumerate(self._gates)
            ),
        )

    def close(self, lengths: Tensor) -> None:
        """Add the batch just read.

        Args:
            lengths: (batch,), tokens that each sample decoded, its end token included.

        Raises:
            ValueError: fewer tokens were read than decoded.
        """
        for number, (at, shares) in enumerate(zip(self._gates, self._shares, strict=True)):
            if (
                at.stack == "decoder"
                and not at.gate.skipped
                and shares.shape[1] < int(lengths.max())
            ):
                raise ValueError(
                    f"read {shares.shape[1]} decoded tokens where {int(lengths.max())} are to count"
                )
            real = torch.arange(shares.shape[1], device=shares.device) < lengths.to(
                shares.device
            ).unsqueeze(1)
            self._sums[number] += float(
                (shares if at.stack == "encoder" else masked_mean(shares, real)).sum()
            )
        self._samples += lengths.shape[0]
        self._shares = []

    def _read(self, number: int, at: GateAt, masks: Masks, shares: Tensor) -> None:
        seen = self._shares[number]
        if shares.shape[0] != seen.shape[0]:
            raise ValueError(
                f"{shares.shape[0]} sequences are decoded for {seen.shape[0]} samples; only one a"
                " sample can be read"
            )
        if at.stack == "encoder":
            self._shares[number] = masked_mean(shares, masks.of(at, shares.shape[1])).unsqueeze(1)
        else:
            # Without a cache every step runs all tokens so far again.
            again = seen.shape[1] if shares.shape[1] == seen.shape[1] + 1 else 0
            self._shares[number] = torch.cat([seen, shares[:, again:]], dim=1)

    def result(self) -> DensityReading:
        """Mean over samples, per block.

        Raises:
            ValueError: nothing was read.
        """
        if not self._samples:
            raise ValueError("a gate was never read: no `generate` was read and closed")
        means = [
            (at.stack, total / self._samples)
            for at, total in zip(self._gates, self._sums, strict=True)
        ]
        return DensityReading(
            encoder_blocks=tuple(mean for stack, mean in means if stack == "encoder"),
            decoder_blocks=tuple(mean for stack, mean in means if stack == "decoder"),
            skipped=skipped_blocks(self._gates),
        )


def generated_lengths(sequences: Tensor, end_ids: Sequence[int], n_start: int = 1) -> Tensor:
    """How many tokens each sample decoded, its end token included; all of them where it never
    ended.

    Args:
        sequences: (batch, tokens), as `generate` of an encoder-decoder gives them.
        end_ids: tokens that end a sample.
        n_start: tokens at the front that the decoder was given.

    Returns:
        (batch,)
    """
    ended = torch.isin(sequences[:, n_start:], torch.tensor(end_ids, device=sequences.device))
    length = torch.full_like(sequences[:, 0], ended.shape[1])
    return (
        torch.where(ended.any(1), ended.int().argmax(1) + 1, length) if ended.shape[1] else length
    )

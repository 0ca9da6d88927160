"""Which tokens are real: padding counts neither in the density nor in its loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deft_sweeps.axes.activation.gate import GateAt


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens of each sample.

    Args:
        values: (batch, tokens).
        mask: (batch, tokens), 1 for the tokens that count; a sample without any gives 0.

    Returns:
        (batch,)
    """
    mask = mask.to(values.dtype)
    return (values * mask).sum(-1) / mask.sum(-1).clamp_min(1)


@dataclass(frozen=True, slots=True)
class Masks:
    """Which positions hold real tokens: (batch, tokens) of ones and zeros for each stack; None
    where there is no such stack.
    """

    encoder: Tensor | None
    decoder: Tensor | None

    def of(self, at: GateAt, tokens: int) -> Tensor:
        """The mask of a gate that saw `tokens` positions; virtual tokens, put before the real ones,
        do not count.
        """
        mask = self.encoder if at.stack == "encoder" else self.decoder
        if mask is None:
            raise ValueError(f"a {at.stack} gate was read without a mask for the {at.stack}")
        missing = tokens - mask.shape[1]
        return torch.nn.functional.pad(mask, (missing, 0)) if missing > 0 else mask

    def all_ones(self) -> "Masks":
        """With padding counted as real; virtual tokens still are not."""
        return Masks(
            *(
                None if mask is None else torch.ones_like(mask)
                for mask in (self.encoder, self.decoder)
            )
        )

    @property
    def device(self) -> torch.device | None:
        """Of the masks; None if both stacks count every position."""
        mask = self.encoder if self.encoder is not None else self.decoder
        return None if mask is None else mask.device

"""The optimiser and its schedule."""

from dataclasses import dataclass

from deft_sweeps.config.axes.fields import check


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """AdamW with warm-up and linear decay.

    Attributes:
        steps: optimiser steps, >= 1.
        batch_size: examples an optimiser step, >= 1.
        accumulation: micro-batches a step is split into, >= 1 and at most batch_size.
        learning_rate: peak, > 0.
        warmup_share: share of the steps over which the rate rises from zero, in [0, 1).
        weight_decay: >= 0.
        max_grad_norm: the gradient's norm over all trained parameters is clipped to it, > 0.
    """

    steps: int = 100
    batch_size: int = 16
    accumulation: int = 1
    learning_rate: float = 1e-3
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        check(self.steps >= 1, "steps >= 1", self.steps)
        check(self.batch_size >= 1, "batch_size >= 1", self.batch_size)
        check(
            1 <= self.accumulation <= self.batch_size,
            "accumulation between 1 and batch_size",
            self.accumulation,
        )
        check(self.learning_rate > 0, "learning_rate > 0", self.learning_rate)
        check(0 <= self.warmup_share < 1, "warmup_share in [0, 1)", self.warmup_share)
        check(self.weight_decay >= 0, "weight_decay >= 0", self.weight_decay)
        check(self.max_grad_norm > 0, "max_grad_norm > 0", self.max_grad_norm)

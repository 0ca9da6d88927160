"""Examples to batches: padded tensors, and an order to train in that can be taken up at any step."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

IGNORE = -100
"""Label of a padded position, which the loss leaves out."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B examples, T input tokens, L target tokens; int64 all.

    Attributes:
        input_ids: (B, T).
        attention_mask: (B, T), 1 on real tokens.
        labels: (B, L), token ids of the class's name, IGNORE on padding.
        label_class: (B,), index of the class.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    label_class: torch.Tensor


def collate(rows: Sequence[Mapping[str, Any]], class_ids: Sequence[Sequence[int]], pad_id: int) -> Batch:
    """Pad on the right to the longest of the batch.

    Args:
        rows: with `input_ids` and `label`, one at least.
        class_ids: token ids of each class's target text.
        pad_id: of the input.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("expected at least one row to make a batch of, got none")
    inputs = [row["input_ids"] for row in rows]
    targets = [class_ids[row["label"]] for row in rows]
    return Batch(
        _pad(inputs, pad_id),
        _pad([[1] * len(ids) for ids in inputs], 0),
        _pad(targets, IGNORE),
        torch.tensor([row["label"] for row in rows], dtype=torch.int64),
    )


def training_order(n_examples: int, seed: int, start: int = 0) -> Iterator[int]:
    """Indices into the training split without end: every example once an epoch, each epoch in an order of its own.

    Args:
        n_examples: of the split, >= 1.
        seed: the same seed gives the same order.
        start: examples to leave out at the front: steps done times batch size takes a training up where it stopped.

    Raises:
        ValueError: no examples.
    """
    if n_examples < 1:
        raise ValueError(f"expected at least one example to train on, got {n_examples}")
    epoch, begin = divmod(start, n_examples)
    while True:
        order = list(range(n_examples))
        random.Random(f"{seed} {epoch}").shuffle(order)  # noqa: S311
        yield from order[begin:]
        epoch, begin = epoch + 1, 0


def _pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows], dtype=torch.int64)

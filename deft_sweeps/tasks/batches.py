"""Examples to batches: padded tensors, an order to train in that can be taken up at any step, and the split's order to evaluate in."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
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

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on `device`."""
        return Batch(*(t.to(device) for t in (self.input_ids, self.attention_mask, self.labels, self.label_class)))


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


def training_batches(
    dataset: Any, class_ids: Sequence[Sequence[int]], pad_id: int, *, batch_size: int, seed: int, start_step: int = 0
) -> Iterator[Batch]:
    """Batches of `training_order` without end, from step `start_step` on.

    Args:
        dataset: a split of TaskData.
        class_ids: token ids of each class's target text.
        pad_id: of the input.
        batch_size: examples a step.
        seed: of the order.
        start_step: steps that were done before.
    """
    order = training_order(len(dataset), seed, start_step * batch_size)
    while True:
        yield collate(_rows(dataset, list(islice(order, batch_size))), class_ids, pad_id)


def evaluation_batches(dataset: Any, class_ids: Sequence[Sequence[int]], pad_id: int, *, batch_size: int) -> Iterator[Batch]:
    """Every example once, in the split's order; the last batch may be smaller.

    Args:
        dataset: a split of TaskData.
        class_ids: token ids of each class's target text.
        pad_id: of the input.
        batch_size: examples a forward pass.
    """
    for begin in range(0, len(dataset), batch_size):
        yield collate(_rows(dataset, list(range(begin, min(begin + batch_size, len(dataset))))), class_ids, pad_id)


def _rows(dataset: Any, indices: list[int]) -> list[dict[str, Any]]:
    columns = dataset[indices]
    return [{"input_ids": ids, "label": label} for ids, label in zip(columns["input_ids"], columns["label"], strict=True)]


def _pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows], dtype=torch.int64)

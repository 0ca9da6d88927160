"""Examples to batches: padded tensors, and an order to train in that can be taken up at any
step.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

IGNORE = -100
"""Label of a padded position, which the loss leaves out."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B examples (of long contexts, windows), T input tokens, L target tokens; int64 all, but for
    numbers.

    What a task has no use for is None: a head has no `labels`, T5 no `start`.

    Attributes:
        input_ids: (B, T).
        attention_mask: (B, T), 1 on real tokens.
        labels: (B, L), token ids of the target text, IGNORE on padding.
        label: (B,), index of the class, or the number (float32) that regression is to give.
        token_type_ids: (B, T), 1 on the second text's tokens.
        start: (B,), position of the answer's first token in the input; 0 where the window has no
            answer.
        end: (B,), of its last token.
        example: (B,), index into the split's references, which several windows share.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor | None = None
    label: torch.Tensor | None = None
    token_type_ids: torch.Tensor | None = None
    start: torch.Tensor | None = None
    end: torch.Tensor | None = None
    example: torch.Tensor | None = None

    @property
    def label_class(self) -> torch.Tensor:
        """`label` of a classification task.

        Raises:
            ValueError: the task has none.
        """
        if self.label is None:
            raise ValueError("expected a batch with labels, got one of a task without")
        return self.label


def collate(
    rows: Sequence[Mapping[str, Any]], class_ids: Sequence[Sequence[int]], pad_id: int
) -> Batch:
    """Pad on the right to the longest of the batch.

    Args:
        rows: with `input_ids` and what else the task has, one at least; all with the same keys.
        class_ids: token ids of each class's target text, for rows with a label and without
            `target_ids`; empty for a head.
        pad_id: of the input.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("expected at least one row to make a batch of, got none")
    inputs = [row["input_ids"] for row in rows]
    targets: list[Sequence[int]] | None = None
    if "target_ids" in rows[0]:
        targets = [row["target_ids"] for row in rows]
    elif class_ids and "label" in rows[0]:
        targets = [class_ids[row["label"]] for row in rows]
    return Batch(
        input_ids=_pad(inputs, pad_id),
        attention_mask=_pad([[1] * len(ids) for ids in inputs], 0),
        labels=None if targets is None else _pad(targets, IGNORE),
        label=_column(rows, "label"),
        token_type_ids=_pad([row["token_type_ids"] for row in rows], 0)
        if "token_type_ids" in rows[0]
        else None,
        start=_column(rows, "start"),
        end=_column(rows, "end"),
        example=_column(rows, "example"),
    )


def training_order(n_examples: int, seed: int, start: int = 0) -> Iterator[int]:
    """Indices into the training split without end: every example once an epoch, each epoch in an
    order of its own.

    Args:
        n_examples: of the split, >= 1.
        seed: the same seed gives the same order.
        start: examples to leave out at the front: steps done times batch size takes a training up
            where it stopped.

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


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> torch.Tensor | None:
    if name not in rows[0]:
        return None
    values = [row[name] for row in rows]
    return torch.tensor(
        values, dtype=torch.float32 if isinstance(values[0], float) else torch.int64
    )


def _pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor(
        [[*row, *[value] * (longest - len(row))] for row in rows], dtype=torch.int64
    )

"""Masks from a score a weight: what has the smallest scores goes."""

import torch
from torch import Tensor

from deft_sweeps.config.axes import Pattern, group_of


def keep_largest(scores: Tensor, sparsity: float) -> Tensor:
    """Mask that drops floor(sparsity * columns) of the smallest scores of each row; on a tie
    exactly as many.

    Args:
        scores: (rows, columns).
        sparsity: in (0, 1).

    Returns:
        bool (rows, columns), True for what is kept.
    """
    dropped = scores.argsort(dim=1, stable=True)[:, : int(sparsity * scores.shape[1])]
    return torch.ones_like(scores, dtype=torch.bool).scatter_(1, dropped, False)


def keep_half_of_groups(scores: Tensor, group: int) -> Tensor:
    """Mask that drops the smaller half of the scores of every `group` neighbours in a row.

    Args:
        scores: (rows, columns).
        group: even, divides the columns.

    Returns:
        bool (rows, columns), True for what is kept.

    Raises:
        ValueError: it does not divide them.
    """
    if scores.shape[1] % group:
        raise ValueError(f"{scores.shape[1]} inputs cannot be split into groups of {group}")
    return keep_largest(scores.reshape(-1, group), 0.5).reshape(scores.shape)


def keep_by_layer(scores: Tensor, sparsity: float, pattern: Pattern) -> Tensor:
    """Mask of the largest scores of the whole layer, or of each group of the pattern; (rows,
    columns).
    """
    group = group_of(pattern)
    if group is not None:
        return keep_half_of_groups(scores, group)
    return keep_largest(scores.reshape(1, -1), sparsity).reshape(scores.shape)


def keep_by_row(scores: Tensor, sparsity: float, pattern: Pattern) -> Tensor:
    """Mask of the largest scores of each row, or of each group of the pattern; (rows, columns)."""
    group = group_of(pattern)
    return keep_largest(scores, sparsity) if group is None else keep_half_of_groups(scores, group)

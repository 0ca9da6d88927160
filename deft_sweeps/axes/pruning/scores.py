"""Masks from a score a weight: what has the smallest scores goes."""

import torch
from torch import Tensor

from deft_sweeps.config.axes import Pattern, group_of


def keep_largest(scores: Tensor, sparsity: float) -> Tensor:
    """Mask that drops floor(sparsity * columns) of the smallest scores of each row; on a tie exactly as many.

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


def magnitude_mask(weight: Tensor, sparsity: float, pattern: Pattern = "unstructured") -> Tensor:
    """Keep the largest |W| of the whole layer, or of each group of the pattern; (out, in) to bool (out, in)."""
    group = group_of(pattern)
    if group is not None:
        return keep_half_of_groups(weight.abs(), group)
    return keep_largest(weight.abs().reshape(1, -1), sparsity).reshape(weight.shape)


def wanda_mask(weight: Tensor, input_norms: Tensor, sparsity: float, pattern: Pattern = "unstructured") -> Tensor:
    """Keep the largest |W_ij| * ||X_j||_2 of each output row i, or of each group of the pattern (arXiv 2306.11695).

    Args:
        weight: (out, in).
        input_norms: (in,), the l2 norm of each input feature over all real calibration tokens.
        sparsity: in (0, 1); not looked at where there is a pattern.
        pattern: where the zeros may lie.
    """
    scores, group = weight.abs() * input_norms, group_of(pattern)
    return keep_largest(scores, sparsity) if group is None else keep_half_of_groups(scores, group)

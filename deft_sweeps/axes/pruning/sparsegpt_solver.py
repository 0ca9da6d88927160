"""SparseGPT (arXiv 2301.00774): prune column by column, and let the columns to the right make up
for what went.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deft_sweeps.axes.pruning.scores import keep_half_of_groups, keep_largest
from deft_sweeps.config.axes import Pattern, SparseGpt, group_of


def sparsegpt(
    weight: Tensor,
    moments: Tensor,
    sparsity: float,
    pattern: Pattern = "unstructured",
    *,
    damping: float = 0.01,
    columns: int = 128,
) -> Tensor:
    """Weights with zeros whose output W X is close to the dense one's in the sum of squares.

    Removing w_j costs w_j^2 / [H_j^-1]_11 and moves the columns after it by -w_j / [H_j^-1]_11 *
    [H_j^-1]_1, where H_j is the damped second moments of the inputs j, j + 1, ... Row j of the
    upper Cholesky factor U of H^-1 holds all of that: U_jj^2 = [H_j^-1]_11 and U_j / U_jj =
    [H_j^-1]_1 / [H_j^-1]_11.

    Args:
        weight: (out, in), not changed.
        moments: (in, in), X X^T over the calibration tokens; its scale does not matter.
        sparsity: in (0, 1), of each block of columns; not looked at where there is a pattern.
        pattern: where the zeros may lie; the members of a group are chosen when its first column is
            reached.
        damping: added to the diagonal, in shares of its mean.
        columns: of a block: its mask is chosen at once, and the columns after it are brought up to
            date once a block; a multiple of the pattern's group.

    Returns:
        (out, in), in `weight`'s dtype.
    """
    w = weight.to(torch.promote_types(weight.dtype, torch.float32), copy=True)
    factor = _factor(moments, damping).to(w.dtype)
    group = group_of(pattern)
    for start in range(0, w.shape[1], columns):
        end = min(start + columns, w.shape[1])
        # A view: what changes in the block changes in `w`.
        block, u = w[:, start:end], factor[start:end, start:end]
        scores = (block / u.diagonal()).square()
        keep = (
            keep_largest(scores.reshape(1, -1), sparsity).reshape(scores.shape)
            if group is None
            else torch.ones_like(scores).bool()
        )
        errors = torch.zeros_like(block)
        for j in range(end - start):
            if group is not None and j % group == 0:
                members = slice(j, j + group)
                keep[:, members] = keep_half_of_groups(
                    (block[:, members] / u.diagonal()[members]).square(), group
                )
            errors[:, j] = torch.where(keep[:, j], 0.0, block[:, j]) / u[j, j]
            block[:, j:] -= torch.outer(errors[:, j], u[j, j:])
            block[:, j] *= keep[:, j]
        w[:, end:] -= errors @ factor[start:end, end:]
    return w.to(weight.dtype)


def _factor(moments: Tensor, damping: float) -> Tensor:
    """Upper Cholesky factor of the damped moments' inverse, in float64: inputs that hardly vary
    make it ill-conditioned.
    """
    damped = moments.double()
    # Without any input there is nothing to go by but the weights themselves.
    damp = damping * float(damped.diagonal().mean()) or 1.0
    damped = damped + damp * torch.eye(damped.shape[0], dtype=damped.dtype, device=damped.device)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    upper: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return upper


@dataclass(frozen=True, slots=True)
class SparseGptPruner:
    """See `pruner.Pruner`; the statistic is the inputs' second moments."""

    method: SparseGpt

    def statistic(self, inputs: Tensor) -> Tensor:
        """What these inputs, shape (tokens, features), add to the layer's statistic."""
        return inputs.T @ inputs

    def pruned(self, weight: Tensor, statistic: Tensor) -> Tensor:
        """The weight with its lowest-scored entries set to zero."""
        method = self.method
        return sparsegpt(weight, statistic, method.sparsity, method.pattern, damping=method.damping)

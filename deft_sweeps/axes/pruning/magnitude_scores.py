"""Magnitude pruning: the smallest weights go."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deft_sweeps.axes.pruning.scores import keep_half_of_groups, keep_largest
from deft_sweeps.config.axes import Magnitude, Pattern, group_of


def magnitude_mask(weight: Tensor, sparsity: float, pattern: Pattern = "unstructured") -> Tensor:
    """Keep the largest |W| of the whole layer, or of each group of the pattern; (out, in) to bool (out, in)."""
    group = group_of(pattern)
    if group is not None:
        return keep_half_of_groups(weight.abs(), group)
    return keep_largest(weight.abs().reshape(1, -1), sparsity).reshape(weight.shape)


@dataclass(frozen=True, slots=True)
class MagnitudePruner:
    """See `pruner.Pruner`; without a statistic."""

    method: Magnitude

    def statistic(self, inputs: Tensor) -> Tensor:
        return torch.zeros((), device=inputs.device)

    def pruned(self, weight: Tensor, statistic: Tensor) -> Tensor:
        return weight * magnitude_mask(weight, self.method.sparsity, self.method.pattern)

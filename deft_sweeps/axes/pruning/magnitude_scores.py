"""Magnitude pruning: the smallest weights go."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deft_sweeps.axes.pruning.scores import keep_by_layer
from deft_sweeps.config.axes import Magnitude, Pattern


def magnitude_mask(weight: Tensor, sparsity: float, pattern: Pattern = "unstructured") -> Tensor:
    """Keep the largest |W| of the whole layer, or of each group of the pattern; (out, in) to bool
    (out, in).
    """
    return keep_by_layer(weight.abs(), sparsity, pattern)


@dataclass(frozen=True, slots=True)
class MagnitudePruner:
    """See `pruner.Pruner`; without a statistic."""

    method: Magnitude

    def statistic(self, inputs: Tensor) -> Tensor:
        """What these inputs, shape (tokens, features), add to the layer's statistic."""
        return torch.zeros((), device=inputs.device)

    def pruned(self, weight: Tensor, statistic: Tensor) -> Tensor:
        """The weight with its lowest-scored entries set to zero."""
        return weight * magnitude_mask(weight, self.method.sparsity, self.method.pattern)

"""Wanda: a weight counts by its size times the norm of its input (arXiv 2306.11695)."""

from dataclasses import dataclass

from torch import Tensor

from deft_sweeps.axes.pruning.scores import keep_by_row
from deft_sweeps.config.axes import Pattern, Wanda


def wanda_mask(
    weight: Tensor, input_norms: Tensor, sparsity: float, pattern: Pattern = "unstructured"
) -> Tensor:
    """Keep the largest |W_ij| * ||X_j||_2 of each output row i, or of each group of the pattern
    (arXiv 2306.11695).

    Args:
        weight: (out, in).
        input_norms: (in,), the l2 norm of each input feature over all real calibration tokens.
        sparsity: in (0, 1); not looked at where there is a pattern.
        pattern: where the zeros may lie.
    """
    return keep_by_row(weight.abs() * input_norms, sparsity, pattern)


@dataclass(frozen=True, slots=True)
class WandaPruner:
    """See `pruner.Pruner`; the statistic is each input's sum of squares."""

    method: Wanda

    def statistic(self, inputs: Tensor) -> Tensor:
        """What these inputs, shape (tokens, features), add to the layer's statistic."""
        return inputs.square().sum(0)

    def pruned(self, weight: Tensor, statistic: Tensor) -> Tensor:
        """The weight with its lowest-scored entries set to zero."""
        return weight * wanda_mask(
            weight, statistic.sqrt(), self.method.sparsity, self.method.pattern
        )

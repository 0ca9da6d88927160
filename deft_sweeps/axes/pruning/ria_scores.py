"""RIA: a weight counts by its share of its row and of its column, times a power of its input's norm
(arXiv 2402.11187).
"""

from dataclasses import dataclass

from torch import Tensor

from deft_sweeps.axes.pruning.scores import keep_by_layer
from deft_sweeps.config.axes.pruning.ria import Ria


def ria_scores(weight: Tensor, input_norms: Tensor, power: float = 0.5) -> Tensor:
    """(|W_ij| / sum_j |W_ij| + |W_ij| / sum_i |W_ij|) * ||X_j||_2 ^ power.

    Magnitudes alone can cut whole rows or columns; a share of a row or column cannot be small for
    all of its weights.

    Args:
        weight: (out, in).
        input_norms: (in,), the l2 norm of each input feature over all real calibration tokens.
        power: of the norms, >= 0.

    Returns:
        (out, in), >= 0; 0 for a weight that is zero.
    """
    size = weight.abs().float()
    # A row or column of zeros has no shares; its weights score 0.
    of_row = size / size.sum(1, keepdim=True).clamp_min(1e-30)
    of_column = size / size.sum(0, keepdim=True).clamp_min(1e-30)
    return (of_row + of_column) * input_norms.float().pow(power)


@dataclass(frozen=True, slots=True)
class RiaPruner:
    """See `pruner.Pruner`; the statistic is each input's sum of squares."""

    method: Ria

    def statistic(self, inputs: Tensor) -> Tensor:
        """What these inputs, shape (tokens, features), add to the layer's statistic."""
        return inputs.square().sum(0)

    def pruned(self, weight: Tensor, statistic: Tensor) -> Tensor:
        """The weight with its lowest-scored entries set to zero."""
        scores = ria_scores(weight, statistic.sqrt(), self.method.power)
        # Shares are comparable across rows, so the scores compete over the whole layer.
        return weight * keep_by_layer(scores, self.method.sparsity, self.method.pattern)

"""Weight pruning before training: which weights of the blocks' linear layers become zero."""

from typing import Protocol

import torch
from torch import Tensor, nn

from deft_sweeps.axes.pruning.walk import Calibration, prune_while_running
from deft_sweeps.axes.verb import verb
from deft_sweeps.config.axes.pruning.weight_pruning import WeightPruning
from deft_sweeps.config.layout import Layout, Linear


class Pruner(Protocol):
    """What a pruning method's torch verb makes of its settings."""

    def statistic(self, inputs: Tensor) -> Tensor:
        """Of real inputs (tokens, in) of one layer, added up over all calibration examples.

        Called only for a method that needs calibration.
        """

    def pruned(self, weight: Tensor, statistic: Tensor) -> Tensor:
        """The weights (out, in) with zeros; a method without calibration ignores `statistic`."""


def prune_(
    model: nn.Module,
    layout: Layout,
    pruning: WeightPruning,
    calibration: Calibration | None = None,
    device: torch.device | None = None,
) -> dict[str, float]:
    """Zero weights of every block's linear layers in place, where they are.

    Args:
        model: not yet quantized, no adapters.
        layout: where its linear layers are.
        pruning: the method, one that does something.
        calibration: the forward pass of `model` over the calibration examples, whose order must
            always be the same; a method that needs no calibration ignores it.
        device: new weights are computed there, layer by layer; None is where the weights are.

    Returns:
        Share of zeros of each layer, by the layer's name.

    Raises:
        ValueError: a method that needs calibration gets none.
    """
    weights = {linear.name: _weight(model, linear) for linear in layout.linears}
    pruner: Pruner = verb(pruning)(pruning)

    def replace(name: str, statistic: Tensor) -> None:
        weight = weights[name]
        weight.copy_(pruner.pruned(weight.to(device or weight.device), statistic))

    if pruning.needs_calibration:
        if calibration is None:
            raise ValueError(f"{pruning.kind} needs a forward pass over calibration examples")
        prune_while_running(model, layout, calibration, pruner.statistic, replace)
    else:
        for name, weight in weights.items():
            replace(name, torch.zeros((), device=weight.device))
    return sparsities(model, layout)


@torch.no_grad()
def sparsities(model: nn.Module, layout: Layout) -> dict[str, float]:
    """Share of exact zeros of each prunable layer of an unquantized model, in [0, 1]."""
    return {
        linear.name: float((_weight(model, linear) == 0).float().mean())
        for linear in layout.linears
    }


def _weight(model: nn.Module, linear: Linear) -> Tensor:
    weight = model.get_submodule(linear.name).weight
    if not isinstance(weight, Tensor):
        raise TypeError(f"{linear.name} has no weight")
    return weight.data

"""Weight pruning before training: which weights of the blocks' linear layers become zero."""

from collections.abc import Sequence
from typing import assert_never

import torch
from torch import Tensor, nn

from deft_sweeps.axes.pruning.scores import keep_largest, magnitude_mask, wanda_mask
from deft_sweeps.axes.pruning.sparsegpt_solver import sparsegpt
from deft_sweeps.axes.pruning.walk import Calibration, prune_while_running
from deft_sweeps.config.axes import Magnitude, SparseGpt, Wanda
from deft_sweeps.config.layout import Layout, Linear

__all__ = ["Calibration", "keep_largest", "magnitude_mask", "prune_", "sparsegpt", "sparsities", "wanda_mask"]


def prune_(
    model: nn.Module,
    layout: Layout,
    pruning: Magnitude | Wanda | SparseGpt,
    calibration: Sequence[Calibration] = (),
    device: torch.device | None = None,
) -> dict[str, float]:
    """Zero weights of every block's linear layers in place, where they are.

    Args:
        model: not yet quantized, no adapters.
        layout: where its linear layers are.
        pruning: how.
        calibration: forward passes of `model` over the calibration examples, in an order that must always be the same; Magnitude needs
            none. However the examples are split into passes, the statistics are those of all of them.
        device: which weights go, and what SparseGPT makes of the rest, is computed there, layer by layer; None is where the weights are.

    Returns:
        Share of zeros of each layer, by the layer's name.
    """
    weights = {linear.name: _weight(model, linear) for linear in layout.linears}
    there = {name: device or weight.device for name, weight in weights.items()}
    match pruning:
        case Magnitude(sparsity=sparsity, pattern=pattern):
            for name, weight in weights.items():
                weight.mul_(magnitude_mask(weight.to(there[name]), sparsity, pattern).to(weight.device))
        case Wanda(sparsity=sparsity, pattern=pattern):

            def mask(name: str, squares: Tensor) -> None:
                weight = weights[name]
                weight.mul_(wanda_mask(weight.to(there[name]), squares.sqrt(), sparsity, pattern).to(weight.device))

            prune_while_running(model, layout, calibration, lambda x: x.square().sum(0), mask)
        case SparseGpt(sparsity=sparsity, pattern=pattern, damping=damping):

            def replace(name: str, moments: Tensor) -> None:
                weights[name].copy_(sparsegpt(weights[name].to(there[name]), moments, sparsity, pattern, damping=damping))

            prune_while_running(model, layout, calibration, lambda x: x.T @ x, replace)
        case unknown:
            assert_never(unknown)
    return sparsities(model, layout)


@torch.no_grad()
def sparsities(model: nn.Module, layout: Layout) -> dict[str, float]:
    """Share of exact zeros of each prunable layer of an unquantized model, in [0, 1]."""
    return {linear.name: float((_weight(model, linear) == 0).float().mean()) for linear in layout.linears}


def _weight(model: nn.Module, linear: Linear) -> Tensor:
    weight = model.get_submodule(linear.name).weight
    if not isinstance(weight, Tensor):
        raise TypeError(f"{linear.name} has no weight")
    return weight.data

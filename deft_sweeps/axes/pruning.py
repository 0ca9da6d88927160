"""Weight pruning before training: which weights of the blocks' linear layers become zero.

Wanda is calibrated block by block in running order: a block sees inputs that the pruned blocks before it produced, and the decoder's
cross-attention sees the pruned encoder's output. Padding counts in no norm.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.axes.density import Masks
from deft_sweeps.config.axes import Magnitude, Wanda
from deft_sweeps.models.families import Block, Layout, Linear


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


def magnitude_mask(weight: Tensor, sparsity: float) -> Tensor:
    """Keep the largest |W| of the whole layer; (out, in) to bool (out, in)."""
    return keep_largest(weight.abs().reshape(1, -1), sparsity).reshape(weight.shape)


def wanda_mask(weight: Tensor, input_norms: Tensor, sparsity: float) -> Tensor:
    """Keep the largest |W_ij| * ||X_j||_2 of each output row i (arXiv 2306.11695).

    Args:
        weight: (out, in).
        input_norms: (in,), the l2 norm of each input feature over all real calibration tokens.
        sparsity: in (0, 1).
    """
    return keep_largest(weight.abs() * input_norms, sparsity)


def prune_(model: nn.Module, layout: Layout, pruning: Magnitude | Wanda, calibrate: Callable[[], None], masks: Masks) -> dict[str, float]:
    """Zero weights of every block's linear layers in place.

    Args:
        model: not yet quantized, no adapters.
        layout: where its linear layers are.
        pruning: how.
        calibrate: runs one forward pass of `model` over the calibration examples, without a key/value cache; called for Wanda only.
        masks: of those examples.

    Returns:
        Share of zeros of each layer, by the layer's name.
    """
    match pruning:
        case Magnitude(sparsity=sparsity):
            for block in layout.blocks:
                for linear in block.linears:
                    weight = _weight(model, linear)
                    weight.mul_(magnitude_mask(weight, sparsity))
        case Wanda(sparsity=sparsity):
            _prune_while_running(model, layout, sparsity, calibrate, masks)
    return sparsities(model, layout)


def sparsities(model: nn.Module, layout: Layout) -> dict[str, float]:
    """Share of exact zeros of each prunable layer of an unquantized model, in [0, 1]."""
    return {linear.name: float((_weight(model, linear) == 0).float().mean()) for block in layout.blocks for linear in block.linears}


def _weight(model: nn.Module, linear: Linear) -> Tensor:
    weight = model.get_submodule(linear.name).weight
    if not isinstance(weight, Tensor):
        raise TypeError(f"{linear.name} has no weight")
    return weight.data


def _prune_while_running(model: nn.Module, layout: Layout, sparsity: float, calibrate: Callable[[], None], masks: Masks) -> None:
    """One forward pass: just before a block runs, run it once to see its layers' inputs, prune it, and let the pruned block go on."""
    handles = []
    busy = False

    def before_block(block: Block) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def prune_first(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            nonlocal busy
            if busy:
                return
            busy = True
            try:
                norms = _input_norms(model, block, masks, lambda: module(*args, **kwargs))
            finally:
                busy = False
            for linear in block.linears:
                weight = _weight(model, linear)
                weight.mul_(wanda_mask(weight, norms[linear.name], sparsity))

        return prune_first

    for block in layout.blocks:
        handles.append(model.get_submodule(block.name).register_forward_pre_hook(before_block(block), with_kwargs=True))
    try:
        with torch.no_grad():
            calibrate()
    finally:
        for handle in handles:
            handle.remove()


def _input_norms(model: nn.Module, block: Block, masks: Masks, run: Callable[[], object]) -> Mapping[str, Tensor]:
    """l2 norm of every input feature of each of the block's linear layers, over real tokens."""
    squares: dict[str, Tensor] = {}
    handles = []
    for linear in block.linears:
        mask = masks.encoder if linear.source == "cross" or block.stack == "encoder" else masks.decoder

        def add(_: nn.Module, args: tuple[Tensor, ...], linear: Linear = linear, mask: Tensor | None = mask) -> None:
            x = args[0].float()
            if mask is not None:
                x = x * mask.unsqueeze(-1)
            squares[linear.name] = squares.get(linear.name, 0) + x.square().reshape(-1, x.shape[-1]).sum(0)

        handles.append(model.get_submodule(linear.name).register_forward_pre_hook(add))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return {name: square.sqrt() for name, square in squares.items()}

"""Calibration block by block in running order: a block sees inputs that the pruned blocks before it
produced, and the decoder's cross-attention sees the pruned encoder's output. Padding counts in no
statistic.

One forward pass takes all calibration examples. Each block runs over them in chunks, twice: first
to look at its layers' inputs, then, pruned, for its output. So what is held for all examples is one
hidden state each, no family's blocks are called by hand, and nothing but the blocks is computed
twice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.axes.token_mask import Masks
from deft_sweeps.config.axes.pruning.weight_pruning import CALIBRATION_CHUNK
from deft_sweeps.config.layout import Block, Layout


@dataclass(frozen=True, slots=True)
class Calibration:
    """A forward pass over the calibration examples.

    Attributes:
        run: the pass over all of them, without a key/value cache.
        masks: of them.
        chunk: examples that a block runs over at a time, >= 1.
    """

    run: Callable[[], object]
    masks: Masks
    chunk: int = CALIBRATION_CHUNK


class _AllPrunedError(Exception):
    """Ends the pass after the last block: what comes after it is not needed."""


def prune_while_running(
    model: nn.Module,
    layout: Layout,
    calibration: Calibration,
    statistic: Callable[[Tensor], Tensor],
    prune: Callable[[str, Tensor], None],
) -> None:
    """Run the pass, and prune each block between its two runs.

    Args:
        model: its block modules run in the order of `layout.blocks`.
        layout: where blocks and linear layers are.
        calibration: the pass.
        statistic: of a linear layer's real inputs (tokens, in), in float32 at least; summed over
            the chunks, in their order.
        prune: called with a linear layer's name and that sum.
    """
    walk = _Walk(model, layout.blocks[-1], calibration, statistic, prune)
    modules: list[Any] = [model.get_submodule(block.name) for block in layout.blocks]
    for module, block in zip(modules, layout.blocks, strict=True):
        # Set on the instance, beside the class's own method, which comes back when it is deleted.
        module.forward = walk.in_place_of(block, module.forward)
    try:
        with torch.no_grad(), suppress(_AllPrunedError):
            calibration.run()
    finally:
        for module in modules:
            del module.forward


@dataclass(slots=True)
class _Walk:
    """What the blocks share.

    Attributes:
        last: block after which the pass ends.
        sums: of the block that the pass is at, by layer.
    """

    model: nn.Module
    last: Block
    calibration: Calibration
    statistic: Callable[[Tensor], Tensor]
    prune: Callable[[str, Tensor], None]
    sums: dict[str, Tensor] = field(default_factory=dict)

    def in_place_of(self, block: Block, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A block's forward pass that prunes it on the way."""

        def run(*args: Any, **kwargs: Any) -> Any:
            chunks = list(self._chunks())
            for rows in chunks:
                with self._looking(block, rows):
                    forward(*self._part(args, rows), **self._part(kwargs, rows))
            for name, total in self.sums.items():
                self.prune(name, total)
            self.sums.clear()
            if block is self.last:
                raise _AllPrunedError
            outputs = [
                forward(*self._part(args, rows), **self._part(kwargs, rows)) for rows in chunks
            ]
            return self._joined(outputs)

        return run

    @property
    def _n_examples(self) -> int:
        masks = self.calibration.masks
        mask = masks.encoder if masks.encoder is not None else masks.decoder
        if mask is None:
            raise ValueError("calibration needs a mask of one stack at least")
        return mask.shape[0]

    def _chunks(self) -> Iterator[slice]:
        size = self.calibration.chunk
        return (slice(start, start + size) for start in range(0, self._n_examples, size))

    def _part(self, value: Any, rows: slice) -> Any:
        """The rows of every tensor that has one for each example; all else as it is."""
        if isinstance(value, Tensor):
            # A vector goes along tokens, of which there may be as many as examples.
            return value[rows] if value.dim() > 1 and value.shape[0] == self._n_examples else value
        if isinstance(value, tuple):
            return tuple(self._part(part, rows) for part in value)
        if isinstance(value, dict):
            return {name: self._part(part, rows) for name, part in value.items()}
        return value

    def _joined(self, outputs: list[Any]) -> Any:
        """The chunks' outputs as one; what does not go by examples, T5's position bias, is the
        first's.
        """
        first = outputs[0]
        if isinstance(first, tuple):
            return tuple(self._joined(list(parts)) for parts in zip(*outputs, strict=True))
        if not isinstance(first, Tensor):
            return first
        size = min(self.calibration.chunk, self._n_examples)
        return torch.cat(outputs) if first.shape[0] == size else first

    @contextmanager
    def _looking(self, block: Block, rows: slice) -> Iterator[None]:
        """Add up the statistic of every linear layer's real inputs inside the context."""
        masks = self.calibration.masks
        hooks = []
        for linear in block.linears:
            of_encoder = linear.source == "cross" or block.stack == "encoder"
            mask = masks.encoder if of_encoder else masks.decoder
            part = None if mask is None else mask[rows].bool()

            def add(
                _: nn.Module,
                args: tuple[Tensor, ...],
                name: str = linear.name,
                real: Tensor | None = part,
            ) -> None:
                x = args[0].to(torch.promote_types(args[0].dtype, torch.float32))
                total = self.statistic(x.reshape(-1, x.shape[-1]) if real is None else x[real])
                self.sums[name] = self.sums[name] + total if name in self.sums else total

            hooks.append(self.model.get_submodule(linear.name).register_forward_pre_hook(add))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

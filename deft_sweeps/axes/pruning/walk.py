"""Calibration block by block in running order: a block sees inputs that the pruned blocks before it produced, and the decoder's
cross-attention sees the pruned encoder's output. Padding counts in no statistic.

The examples may be split into several forward passes. Each runs in a thread of its own that stops before every block: one works at a
time, in turn, and when the last has come to a block, the block is pruned. So no family's blocks need to be called by hand, nothing is
computed twice but the blocks, and what is held is one hidden state an example.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.axes.density import Masks
from deft_sweeps.config.layout import Block, Layout


@dataclass(frozen=True, slots=True)
class Calibration:
    """One forward pass over some of the calibration examples.

    Attributes:
        run: the pass, without a key/value cache.
        masks: of its examples.
    """

    run: Callable[[], object]
    masks: Masks


def prune_while_running(
    model: nn.Module,
    layout: Layout,
    calibration: Sequence[Calibration],
    statistic: Callable[[Tensor], Tensor],
    prune: Callable[[str, Tensor], None],
) -> None:
    """Run the passes, and prune each block just before it runs for the second time.

    Args:
        model: its block modules run in the order of `layout.blocks`.
        layout: where blocks and linear layers are.
        calibration: at least one pass.
        statistic: of a linear layer's real inputs (tokens, in), in float32 at least; summed over the passes, in their order.
        prune: called with a linear layer's name and that sum.

    Raises:
        ValueError: no pass.
    """
    if not calibration:
        raise ValueError("calibrated pruning needs at least one forward pass over examples")
    walk = _Walk(model, tuple(calibration), statistic, prune)
    hooks = [
        model.get_submodule(block.name).register_forward_pre_hook(walk.stop_before(block), with_kwargs=True) for block in layout.blocks
    ]
    try:
        with ThreadPoolExecutor(len(calibration)) as threads:
            list(threads.map(walk.run, range(len(calibration))))
    finally:
        for hook in hooks:
            hook.remove()
    if walk.error is not None:
        raise walk.error


class _StoppedError(Exception):
    """Another pass has failed."""


@dataclass(slots=True)
class _Walk:
    """What the passes share; only the one whose turn it is touches it.

    Attributes:
        sums: of the block that the passes are at, by layer.
        turn: number of the pass that works now.
        looking: a block runs only to see its layers' inputs.
        error: what made a pass fail.
    """

    model: nn.Module
    calibration: tuple[Calibration, ...]
    statistic: Callable[[Tensor], Tensor]
    prune: Callable[[str, Tensor], None]
    sums: dict[str, Tensor] = field(default_factory=dict)
    turn: int = 0
    looking: bool = False
    error: Exception | None = None
    changed: Condition = field(default_factory=Condition)

    def run(self, number: int) -> None:
        """One pass, from its first turn to its end."""
        try:
            self._wait_for(number)
            with torch.no_grad():
                self.calibration[number].run()
            self._next()
        except _StoppedError:
            return
        except Exception as error:
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def stop_before(self, block: Block) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        """A hook that looks at the block's inputs, lets the other passes do so, and goes on once the block is pruned."""

        def stop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self.looking:
                return
            number = self.turn
            self.looking = True
            try:
                self._look(block, number, lambda: module(*args, **kwargs))
            finally:
                self.looking = False
            if number == len(self.calibration) - 1:
                for name, total in self.sums.items():
                    self.prune(name, total)
                self.sums.clear()
            self._next()
            self._wait_for(number)

        return stop

    def _look(self, block: Block, number: int, run: Callable[[], object]) -> None:
        masks = self.calibration[number].masks
        hooks = []
        for linear in block.linears:
            mask = masks.encoder if linear.source == "cross" or block.stack == "encoder" else masks.decoder

            def add(_: nn.Module, args: tuple[Tensor, ...], name: str = linear.name, mask: Tensor | None = mask) -> None:
                x = args[0].to(torch.promote_types(args[0].dtype, torch.float32))
                total = self.statistic(x.reshape(-1, x.shape[-1]) if mask is None else x[mask.bool()])
                self.sums[name] = self.sums[name] + total if name in self.sums else total

            hooks.append(self.model.get_submodule(linear.name).register_forward_pre_hook(add))
        try:
            run()
        finally:
            for hook in hooks:
                hook.remove()

    def _next(self) -> None:
        with self.changed:
            self.turn = (self.turn + 1) % len(self.calibration)
            self.changed.notify_all()

    def _wait_for(self, number: int) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.turn == number or self.error is not None)
            if self.error is not None:
                raise _StoppedError

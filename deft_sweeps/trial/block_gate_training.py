"""The block gates of one trial while they train, and the hard skip that ends it."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from deft_sweeps.axes.adaptive import GatedBlocks
from deft_sweeps.errors import TrialError
from deft_sweeps.trial.build import TrialModel


@dataclass(slots=True)
class BlockGateTraining:
    """Trains the gates by Adam of their own: their scale has nothing to do with the PEFT method's,
    and neither has their clipping.

    Attributes:
        blocks: of the trial's model; they say how their gates train, which blocks go and when.
        n_soft: steps after which the blocks are removed.
        over: they were.
    """

    trial_model: TrialModel
    blocks: GatedBlocks
    steps: int
    over: bool = False
    n_soft: int = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.n_soft = self.blocks.n_soft(self.steps)
        self.optimizer = torch.optim.Adam(self.block_gates, lr=0.0)

    @property
    def block_gates(self) -> tuple[nn.Parameter, ...]:
        """The scalars that the first phase trains."""
        return self.blocks.block_gates

    def step(self, number: int) -> None:
        """Move the gates by the gradient that the losses left on them and by their own share of the
        loss, and put them back into [0, 1].

        Raises:
            TrialError: a gradient is not finite.
        """
        if self.over:
            return
        self.blocks.pull().backward()  # type: ignore[no-untyped-call]
        for group in self.optimizer.param_groups:
            group["lr"] = self.blocks.step_size(number, self.n_soft)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for gate in self.block_gates:
                gate.clamp_(0, 1)
        if not all(math.isfinite(float(gate.detach())) for gate in self.block_gates):
            raise TrialError(f"not finite at step {number + 1}: a block gate")

    def finish(self, optimizer: torch.optim.Optimizer) -> None:
        """The hard skip: remove the most closed blocks from the model, and what they trained from
        the PEFT method's `optimizer`.
        """
        self._remove(self.blocks.choose(), optimizer)

    def _remove(self, numbers: tuple[int, ...], optimizer: torch.optim.Optimizer) -> None:
        self.trial_model.remove(numbers)
        self.over = True
        remaining = {id(parameter) for parameter in self.trial_model.peft_parameters}
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) not in remaining:
                    optimizer.state.pop(parameter, None)
            group["params"] = [
                parameter for parameter in group["params"] if id(parameter) in remaining
            ]
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()

    def state(self) -> dict[str, Any]:
        """For the trial's checkpoint."""
        return {
            "over": self.over,
            "removed": list(self.blocks.removed),
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
        """Go on from what `state` gave; comes before `optimizer` takes over its own state."""
        if state["over"]:
            self._remove(tuple(state["removed"]), optimizer)
        self.optimizer.load_state_dict(state["optimizer"])

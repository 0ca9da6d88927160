"""From a frozen base to a model that can be trained or measured: fork, attach, and give back the
trained weights.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import safetensors.torch
import torch
from torch import nn

from deft_sweeps.axes.activation.gate import Gates
from deft_sweeps.axes.adaptive import GatedBlocks
from deft_sweeps.axes.peft.rank_allocation import RankAllocation
from deft_sweeps.axes.peft_method import allocation, attach, trained_parameters
from deft_sweeps.axes.quantization.dense_copy import hold_dense_copies_
from deft_sweeps.axes.quantization.packed_layers import TORCH_DTYPES
from deft_sweeps.axes.verb import verb
from deft_sweeps.config.compat import shape_problems
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import TrialError
from deft_sweeps.trial.base import FrozenBase
from deft_sweeps.trial.heads import HeadSpec, with_head


@dataclass(frozen=True, slots=True)
class TrialModel:
    """A model with its PEFT method.

    Attributes:
        trained: what trains, by name, in float32; a head is among it, and block gates, also when
            they are fixed at last.
        blocks: the MLP blocks with their block gates; None without them.
        allocation: what the method does after each step; None for most.
    """

    base: FrozenBase
    model: nn.Module
    gates: Gates
    trained: dict[str, nn.Parameter]
    blocks: GatedBlocks | None = None
    allocation: RankAllocation | None = None

    @property
    def peft_parameters(self) -> tuple[nn.Parameter, ...]:
        """What trains but the block gates."""
        gates = {id(gate) for gate in self.blocks.block_gates} if self.blocks is not None else set()
        return tuple(parameter for parameter in self.trained.values() if id(parameter) not in gates)

    def remove(self, numbers: Iterable[int]) -> None:
        """Take the MLPs of these blocks out of the model, and what they trained out of `trained`.

        Raises:
            ValueError: the model has no block gates.
        """
        if self.blocks is None:
            raise ValueError("only a model with block gates has blocks to remove")
        self.blocks.remove_(numbers)
        remaining = {id(parameter) for parameter in self.model.parameters()}
        for name in [
            name for name, parameter in self.trained.items() if id(parameter) not in remaining
        ]:
            del self.trained[name]

    def save(self, metadata: dict[str, str] | None = None) -> bytes:
        """The trained parameters as safetensors; a removed block shows by its missing block
        gate.
        """
        return safetensors.torch.save(
            {
                name: parameter.detach().cpu().contiguous()
                for name, parameter in self.trained.items()
            },
            metadata,
        )

    def load(self, weights: bytes) -> None:
        """Take over what `save` gave, and remove the blocks that were removed there.

        Raises:
            ValueError: it is of another configuration.
        """
        saved = safetensors.torch.load(weights)
        missing = self._missing_blocks(set(saved))
        gone = (
            set().union(*(self.blocks.parameters_of(number) for number in missing))
            if self.blocks is not None
            else set()
        )
        expected = {name: p.shape for name, p in self.trained.items() if id(p) not in gone}
        if {name: t.shape for name, t in saved.items()} != expected:
            raise ValueError(
                "these weights belong to another configuration: their names or shapes differ"
            )
        if missing:
            self.remove(missing)
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(saved[name])

    def _missing_blocks(self, names: set[str]) -> list[int]:
        """Places of the blocks that are still here and whose block gates are not among `names`."""
        if self.blocks is None:
            return []
        name_of = {id(parameter): name for name, parameter in self.trained.items()}
        gates = enumerate(self.blocks.block_gates)
        return [
            number
            for number, gate in gates
            if id(gate) in name_of and name_of[id(gate)] not in names
        ]


def build(
    base: FrozenBase,
    config: TrialConfig,
    seed: int,
    head: HeadSpec | None = None,
    *,
    dense_copies: bool = False,
) -> TrialModel:
    """Attach the configuration's PEFT method, with initial values drawn from `seed`, to a fork of
    the base; then its block gates, if any.

    Args:
        base: to build on.
        config: of the trial.
        seed: of the trial.
        head: that the model answers the task through; None where it writes its answer.
        dense_copies: compute with unpacked copies of packed weights, which cost memory and save
            time on the CPU.

    Raises:
        TrialError: the model's shape forbids the configuration. A spec is checked at the ends of
            its ranges, which cannot tell of every value between them, and peft would quietly take
            another block of OFT, say.
        ConfigError: the method does not fit this family.
    """
    if problems := shape_problems(config, base.layout):
        raise TrialError("; ".join(problems))
    torch.manual_seed(seed)
    model, gates = base.fork()
    if dense_copies and not config.quantization.is_none:
        hold_dense_copies_(model, base.layout, config.quantization, TORCH_DTYPES[config.dtype])
    wrapped = attach(model, base.layout, config.peft, n_steps=config.training.steps)
    method = allocation(wrapped, config.peft)
    adaptive = config.adaptive
    blocks = None if adaptive.is_none else verb(adaptive)(model, base.layout, gates, adaptive)
    if head is not None:
        wrapped = with_head(model, wrapped, base.layout, head)
    return TrialModel(base, wrapped, gates, trained_parameters(wrapped), blocks, method)

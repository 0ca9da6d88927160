"""From a frozen base to a model that can be trained or measured: fork, attach, and give back the trained weights."""

from dataclasses import dataclass

import safetensors.torch
import torch
from torch import nn

from deft_sweeps.axes.activation import Gates
from deft_sweeps.axes.peft_method import attach, trained_parameters
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.trial.base import FrozenBase
from deft_sweeps.trial.heads import HeadSpec, with_head


@dataclass(frozen=True, slots=True)
class Built:
    """A model with its PEFT method.

    Attributes:
        trained: what trains, by name, in float32; a head is among it.
    """

    base: FrozenBase
    model: nn.Module
    gates: Gates
    trained: dict[str, nn.Parameter]

    def save(self) -> bytes:
        """The trained parameters as safetensors."""
        return safetensors.torch.save({name: parameter.detach().cpu().contiguous() for name, parameter in self.trained.items()})

    def load(self, weights: bytes) -> None:
        """Take over what `save` gave.

        Raises:
            ValueError: it is of another configuration.
        """
        given = safetensors.torch.load(weights)
        if {name: t.shape for name, t in given.items()} != {name: p.shape for name, p in self.trained.items()}:
            raise ValueError("these weights belong to another configuration: their names or shapes differ")
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(given[name])


def build(base: FrozenBase, config: TrialConfig, seed: int, head: HeadSpec | None = None) -> Built:
    """Attach the configuration's PEFT method to a fork of the base, with initial values drawn from `seed`.

    Args:
        base: to build on.
        config: of the trial.
        seed: of the trial.
        head: that the model answers the task through; None where it writes its answer.

    Raises:
        ConfigError: the method does not fit this family.
    """
    torch.manual_seed(seed)
    model, gates = base.fork()
    wrapped = attach(model, base.layout, config.peft)
    if head is not None:
        wrapped = with_head(model, wrapped, base.layout, head)
    return Built(base, wrapped, gates, trained_parameters(wrapped))

"""Functions at the MLP's gate: the closed union, and their names, which a configuration holds.

A new one is its module here, its torch verb, and its line below.
"""

from typing import TYPE_CHECKING, Literal, get_args

from deft_sweeps.config.axes.activation.gate_activation import GateActivation
from deft_sweeps.config.axes.activation.pretrained import Pretrained as Pretrained
from deft_sweeps.config.axes.activation.relu import Relu as Relu

ActivationMember = Pretrained | Relu

ACTIVATIONS: dict[str, GateActivation] = {
    member().kind: member() for member in get_args(ActivationMember)
}
"""The members by name."""

if TYPE_CHECKING:
    Activation = str
else:
    # The names once, from the union: mypy cannot follow, so that `TrialConfig` checks them itself.
    Activation = Literal[tuple(ACTIVATIONS)]

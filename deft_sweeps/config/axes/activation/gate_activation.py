"""What every function at the MLP's gate says of itself."""

from abc import abstractmethod

from deft_sweeps.config.axes.member import AxisMember
from deft_sweeps.config.layout import Layout


class GateActivation(AxisMember):
    """Base of the members of the axis `activation`. They have no settings, so a configuration holds
    the name alone. `torch_verb` names what makes one gate: `make_gate(layout)`.
    """

    __slots__ = ()

    @abstractmethod
    def keeps_input(self, layout: Layout) -> bool:
        """Whether the backward pass needs the function's input, and not its output alone."""

"""What every loss on the gates says of itself."""

from abc import abstractmethod

from deft_sweeps.config.axes.member import AxisMember
from deft_sweeps.config.layout import Stack


class GatePenalty(AxisMember):
    """Base of the members of the axis `density`. `torch_verb` names what makes the probe:
    `probe(gates, member, shares)`; see `axes.density_probe.DensityProbe`.
    """

    __slots__ = ()

    @abstractmethod
    def leaves_out(self, stack: Stack) -> bool:
        """Whether there is a loss and it ignores the gates of this stack."""

    @abstractmethod
    def entry_activation_bytes(self, *, upcast_gelu: bool) -> int:
        """Held for the backward pass, for each entry of each gate.

        Args:
            upcast_gelu: the gate is smooth and its input is held in 16 bits, so that the gate
                itself is held only for this loss.
        """

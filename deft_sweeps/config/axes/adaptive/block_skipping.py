"""What every way of skipping MLP blocks says of itself."""

from abc import abstractmethod

from typing_extensions import override

from deft_sweeps.config.axes.member import AxisMember
from deft_sweeps.config.layout import Layout


class BlockSkipping(AxisMember):
    """Base of the members of the axis `adaptive`. `torch_verb` names what puts block gates into a
    model: `gate_blocks(model, layout, gates, member)`. What it returns says how the gates train and
    which blocks go: see `axes.adaptive.GatedBlocks`.
    """

    __slots__ = ()

    @abstractmethod
    @override
    def n_trained(self, layout: Layout) -> int: ...

    @abstractmethod
    def block_activation_bytes(self, layout: Layout) -> int:
        """Held at a block's output for the backward pass, for each token."""

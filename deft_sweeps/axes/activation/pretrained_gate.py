"""A gate with the checkpoint's function."""

from deft_sweeps.axes.activation.gate import Gate
from deft_sweeps.config.layout import Layout


def make_gate(layout: Layout) -> Gate:
    """The gate of one block.

    Raises:
        CheckpointError: the checkpoint's activation is not known.
    """
    return Gate(layout.activation)

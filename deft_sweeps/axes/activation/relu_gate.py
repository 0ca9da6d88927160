"""A gate with ReLU."""

from deft_sweeps.axes.activation.gate import Gate
from deft_sweeps.config.layout import Layout


def make_gate(layout: Layout) -> Gate:
    """The gate of one block."""
    return Gate("relu")

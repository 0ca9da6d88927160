"""The model families. Loads no torch."""

from deft_sweeps.models.layout import FAMILIES, Block, Layout, Linear, Stack, layout

__all__ = ["FAMILIES", "Block", "Layout", "Linear", "Stack", "layout"]

"""From an axis member to its torch verb, which the member names."""

from importlib import import_module
from typing import Any

from deft_sweeps.config.axes.member import AxisMember


def verb(member: AxisMember) -> Any:
    """What does the member's work on a model; its signature is the axis's own.

    Raises:
        ValueError: the member changes nothing, so it has none.
    """
    if member.is_none:
        raise ValueError(f"{type(member).__name__} changes nothing, so there is nothing to call")
    module, _, name = member.torch_verb.partition(":")
    return getattr(import_module(module), name)

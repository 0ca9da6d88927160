"""The model families: a module and a line of `_REGISTERED` each. Loads no torch."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from deft_sweeps.config.layout import Block, Layout, Linear, Stack
from deft_sweeps.errors import CheckpointError
from deft_sweeps.models.families import bert, distilbert, roberta, t5
from deft_sweeps.models.family import Family

__all__ = [
    "FAMILIES",
    "FROM_FAMILY",
    "PUBLISHED_CONFIGS",
    "Block",
    "Family",
    "Layout",
    "Linear",
    "Stack",
    "family_of",
    "layout",
    "writing_families",
]

_REGISTERED = (
    t5.FAMILY,
    bert.FAMILY,
    roberta.FAMILY,
    distilbert.FAMILY,
)

FAMILIES: dict[str, Family] = {family.model_type: family for family in _REGISTERED}
"""Family by the `model_type` of a config.json."""

PUBLISHED_CONFIGS: dict[str, dict[str, Any]] = {}
"""Hub id to the part of its config.json that `layout` reads."""

FROM_FAMILY = {part.name for part in fields(Layout)} & {part.name for part in fields(Family)}
"""Parts of a family that its layouts have too."""

for _family in _REGISTERED:
    PUBLISHED_CONFIGS |= {name: dict(config) for name, config in _family.published.items()}


def layout(config: Mapping[str, Any]) -> Layout:
    """The shape of the model that a config.json describes, with what its family says of it.

    Raises:
        CheckpointError: the family is not supported, or the config lacks a size.
    """
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        supported = "; ".join(f"{each.model_type} ({each.title})" for each in FAMILIES.values())
        what = f"models of the family {model_type!r} are not supported; supported: {supported}"
        raise CheckpointError(what)
    family = FAMILIES[model_type]
    try:
        shape = family.layout(config)
    except KeyError as missing:
        raise CheckpointError(f"the model's config.json has no {missing}") from missing
    return replace(shape, **{name: getattr(family, name) for name in FROM_FAMILY})


def family_of(shape: Layout) -> Family:
    """The family that a layout was read for."""
    return FAMILIES[shape.family]


def writing_families() -> str:
    """Titles of the families that answer by text, for messages."""
    return "; ".join(family.title for family in FAMILIES.values() if family.text is not None)

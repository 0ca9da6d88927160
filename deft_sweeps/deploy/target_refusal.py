"""Which combinations of axis members cannot be exported to which target, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from deft_sweeps.config.layout import Layout
from deft_sweeps.deploy.target import Target
from deft_sweeps.deploy.targets.export_targets import TARGETS
from deft_sweeps.models.families import FAMILIES, layout
from deft_sweeps.specification.legality_table import CheckedCombination, LegalityTable, Refusal

MODEL = "model"
"""Axis beside the members' own, where models of several families are asked about."""


@dataclass(frozen=True, slots=True)
class TargetRefusal:
    """One reason and the legal combinations that it keeps from some targets.

    Attributes:
        targets: names, in the registry's order.
        where: by axis the members it is about, without the axes on which it is about every member.
    """

    targets: tuple[str, ...]
    reason: str
    where: Mapping[str, tuple[str, ...]]


def target_refusals(
    table: LegalityTable, layouts: Mapping[str, Layout]
) -> tuple[TargetRefusal, ...]:
    """What the targets say of the legal combinations of a table.

    Args:
        table: its illegal combinations are not asked about.
        layouts: of the models, by the names that the answer has under `MODEL` if they are several.
    """
    targets: dict[str, list[str]] = {}
    refusals: dict[str, Refusal] = {}
    for target in TARGETS.values():
        for refusal in _refused_by(target, table, layouts).refusals:
            targets.setdefault(refusal.reason, []).append(target.name)
            refusals.setdefault(refusal.reason, refusal)
    return tuple(
        TargetRefusal(tuple(targets[reason]), reason, refusal.where)
        for reason, refusal in refusals.items()
    )


def family_layouts() -> dict[str, Layout]:
    """The shape of one well-known checkpoint of each family, by the family's name."""
    first = {name: next(iter(family.published.values())) for name, family in FAMILIES.items()}
    return {name: layout(config) for name, config in first.items()}


def _refused_by(
    target: Target, table: LegalityTable, layouts: Mapping[str, Layout]
) -> LegalityTable:
    legal = [
        (one.parts, one.config)
        for one in table.checked
        if one.reason is None and one.config is not None
    ]
    axes = {
        axis: tuple(name for name in names if any(parts[axis] == name for parts, _ in legal))
        for axis, names in table.names.items()
    }
    several = len(layouts) > 1
    if several:
        axes[MODEL] = tuple(layouts)
    refused = [
        CheckedCombination({**parts, MODEL: model} if several else parts, reason)
        for model, shape in layouts.items()
        for parts, config in legal
        for reason in target.problems(config, shape)
    ]
    return LegalityTable(axes, tuple(refused))

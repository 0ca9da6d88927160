"""Combinations of axis members, and the step from proposed values to a TrialConfig."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.domain import (
    Categorical,
    Domain,
    Float,
    Int,
    Value,
    contains,
    middle,
    show,
)


@dataclass(frozen=True)
class Combination:
    """One legal choice of a member on every axis, with the settings that the search still varies.

    Attributes:
        label: unique in the sweep and readable, such as `relu lora loss nf4 none`; the value of
            the search's categorical parameter.
        open: parameter name (`density.loss.weight`, `training.learning_rate`) to its domain, never
            a Const. One name has one domain in the whole sweep.
        template: the configuration with every open parameter at the middle of its domain.
    """

    label: str
    open: Mapping[str, Domain]
    template: TrialConfig

    def config(self, values: Mapping[str, Value]) -> TrialConfig:
        """The configuration with `values` for every open parameter.

        Raises:
            ValueError: a value is missing, is not open here, or is outside its domain.
        """
        if values.keys() != self.open.keys():
            expected, got = sorted(self.open), sorted(values)
            raise ValueError(f"{self.label}: expected values for {expected}, got {got}")
        changes: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            domain = self.open[name]
            if not contains(domain, value):
                raise ValueError(f"{name}: expected {show(domain)}, got {value!r}")
            axis, field = _axis_and_field(name)
            # 1 and 1.0 are one configuration, so a real parameter is always a float.
            if isinstance(domain, Float) and isinstance(value, int):
                changes.setdefault(axis, {})[field] = float(value)
            else:
                changes.setdefault(axis, {})[field] = value
        axes: dict[str, Any] = {
            axis: replace(getattr(self.template, axis), **of_axis)
            for axis, of_axis in changes.items()
        }
        return replace(self.template, **axes)

    def values(self, config: TrialConfig) -> dict[str, Value] | None:
        """The values that give `config`, the inverse of `config()`; None if no values do."""
        open_axes = {_axis_and_field(name)[0] for name in self.open}
        fixed_axes = [f.name for f in fields(config) if f.name not in open_axes]
        if any(getattr(config, axis) != getattr(self.template, axis) for axis in fixed_axes):
            return None
        values = {}
        for name, domain in self.open.items():
            axis, field = _axis_and_field(name)
            value = getattr(getattr(config, axis), field, None)
            if not contains(domain, value):
                return None
            values[name] = value
        return values if self.config(values) == config else None


@dataclass(frozen=True, slots=True)
class Excluded:
    """A combination that will not run, with the reason."""

    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Start:
    """A point of the space: a combination's label and a value for each of its open parameters."""

    combination: str
    values: Mapping[str, Value]


def middles(combination: Combination) -> dict[str, Value]:
    """The values of `combination.template`."""
    return {name: middle(domain) for name, domain in combination.open.items()}


def fewest_steps(combination: Combination) -> int:
    """Optimiser steps of the shortest trial that the combination allows."""
    match combination.open.get("training.steps"):
        case Int(low=low):
            return low
        case Categorical(values):
            return min(value for value in values if isinstance(value, int))
        case _:
            return combination.template.training.steps


def _axis_and_field(parameter: str) -> tuple[str, str]:
    """`density.loss.weight` is the field `weight` of the axis `density`."""
    parts = parameter.split(".")
    return parts[0], parts[-1]

"""A sweep's points as vectors that a Gaussian process can tell apart.

A member of an axis is one coordinate of a group of its own; two trials that differ in it are at squared distance 1 in that group, and
at 0 otherwise. A setting that is open under a member only is a coordinate in [-1/2, 1/2] that stands at 0 where it is not open, so a
conditional space is embedded in a Euclidean one.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.spec.domain import Choice, Const, Domain, Float, Int, Value
from deft_sweeps.spec.schema import Start, SweepSpec
from deft_sweeps.study.parameters import drawn, value_at

Floats = NDArray[np.float64]

_APART = math.sqrt(0.5)
"""Coordinates of two members at this and 0 are at squared distance 1."""


@dataclass(frozen=True)
class Features:
    """The coordinates of one sweep's space.

    Attributes:
        members: by combination, the coordinates at `_APART` for its members.
        settings: first coordinate of each open setting.
        groups: of each coordinate; one length scale each.
        ordered: by group, whether it is a number's.
    """

    spec: SweepSpec
    members: Mapping[str, tuple[int, ...]]
    settings: Mapping[str, int]
    groups: tuple[int, ...]
    ordered: tuple[bool, ...]

    @staticmethod
    def of(spec: SweepSpec) -> "Features":
        groups: list[int] = []
        members: dict[str, list[int]] = {c.label: [] for c in spec.combinations}
        ordered: list[bool] = []
        for axis in (f.name for f in fields(TrialConfig)):
            of_combination = [getattr(c.template, axis) for c in spec.combinations]
            distinct = list(dict.fromkeys(of_combination))
            if len(distinct) < 2:
                continue
            for combination, member in zip(spec.combinations, of_combination, strict=True):
                members[combination.label].append(len(groups) + distinct.index(member))
            groups += [len(ordered)] * len(distinct)
            ordered.append(False)
        settings: dict[str, int] = {}
        for combination in spec.combinations:
            for name, domain in combination.open.items():
                if name not in settings:
                    settings[name] = len(groups)
                    groups += [len(ordered)] * _width(domain)
                    ordered.append(_width(domain) == 1)
        return Features(spec, {label: tuple(at) for label, at in members.items()}, settings, tuple(groups), tuple(ordered))

    def vectors(self, starts: Iterable[Start]) -> Floats:
        """Shape (n, coordinates)."""
        starts = list(starts)
        found = np.zeros((len(starts), len(self.groups)))
        for row, start in zip(found, starts, strict=True):
            row[list(self.members[start.combination])] = _APART
            for name, domain in self.spec.by_label[start.combination].open.items():
                at = self.settings[name]
                row[at : at + _width(domain)] = _coordinates(domain, start.values[name])
        return found


def neighbour(spec: SweepSpec, start: Start, rng: np.random.Generator) -> Start:
    """The point with one or more of its settings drawn again, or moved a little, and sometimes with another combination."""
    changed = start.combination if rng.random() < 0.6 else spec.combinations[rng.integers(len(spec.combinations))].label
    open_ = spec.by_label[changed].open
    values = {}
    for name, domain in open_.items():
        kept = name in start.values and rng.random() < 0.6
        values[name] = start.values[name] if kept else _moved(domain, start.values.get(name), rng)
    return Start(changed, values)


def _is_ordered(domain: Choice) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in domain.values)


def _width(domain: Domain) -> int:
    return len(domain.values) if isinstance(domain, Choice) and not _is_ordered(domain) else 1


def _coordinates(domain: Domain, value: Value) -> list[float]:
    if isinstance(domain, Choice) and not _is_ordered(domain):
        return [_APART * (value == v) for v in domain.values]
    return [_unit(domain, value) - 0.5]


def _unit(domain: Domain, value: Value) -> float:
    """A number's place in its domain, in [0, 1]; numbers to choose from are spaced evenly."""
    match domain:
        case Choice(values):
            ordered = sorted(float(v) for v in values if isinstance(v, int | float))
            return ordered.index(float(value)) / max(1, len(ordered) - 1) if isinstance(value, int | float) else 0.5
        case Float(low, high, log) | Int(low, high, log):
            at = float(value) if isinstance(value, int | float) else low
            return math.log(at / low) / math.log(high / low) if log else (at - low) / (high - low)
        case Const():
            return 0.5


def _moved(domain: Domain, value: Value, rng: np.random.Generator) -> Value:
    if isinstance(domain, Float | Int) and value is not None and rng.random() < 0.7:
        return value_at(domain, _unit(domain, value) + rng.normal(0.0, 0.15))
    return drawn(domain, rng)

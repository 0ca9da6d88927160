"""Encodes configurations as vectors whose distances a Gaussian process can use.

Each axis has a group of coordinates, one per member: configurations with different members are at
squared distance 1 in that group, else at 0. A setting that is open under some members only is a
coordinate in [-1/2, 1/2], and 0 where it is not open. This embeds a conditional space in a
Euclidean one.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.sampler.front.array_type import Floats
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.domain import Categorical, Const, Domain, Float, Int, Value
from deft_sweeps.specification.sweep_spec import SweepSpec

_ONE_HOT = math.sqrt(0.5)
"""Value of a member's coordinate; two members are then at squared distance 1."""


@dataclass(frozen=True)
class SpaceEncoding:
    """The coordinates of one sweep's space.

    Attributes:
        member_coordinates: by combination, the coordinates of its members.
        setting_coordinates: first coordinate of each open setting.
        coordinate_groups: group of each coordinate; each group has one length scale, length d.
        group_is_numeric: per group, whether it encodes a number, length G.
    """

    spec: SweepSpec
    member_coordinates: Mapping[str, tuple[int, ...]]
    setting_coordinates: Mapping[str, int]
    coordinate_groups: tuple[int, ...]
    group_is_numeric: tuple[bool, ...]

    @staticmethod
    def of(spec: SweepSpec) -> "SpaceEncoding":
        """Lays out the coordinates: axes with several members, then open settings."""
        groups: list[int] = []
        is_numeric: list[bool] = []

        def add_group(width: int, numeric: bool) -> int:
            first = len(groups)
            groups.extend([len(is_numeric)] * width)
            is_numeric.append(numeric)
            return first

        members: dict[str, list[int]] = {c.label: [] for c in spec.combinations}
        for axis in (field.name for field in fields(TrialConfig)):
            of_combinations = [getattr(c.template, axis) for c in spec.combinations]
            distinct = list(dict.fromkeys(of_combinations))
            if len(distinct) > 1:
                first = add_group(len(distinct), numeric=False)
                for combination, member in zip(spec.combinations, of_combinations, strict=True):
                    members[combination.label].append(first + distinct.index(member))
        settings: dict[str, int] = {}
        for name, domain in _open_settings(spec).items():
            settings[name] = add_group(_width(domain), numeric=_width(domain) == 1)
        coordinates = {label: tuple(at) for label, at in members.items()}
        return SpaceEncoding(spec, coordinates, settings, tuple(groups), tuple(is_numeric))

    def encode(self, configurations: Iterable[Start]) -> Floats:
        """Encodes configurations, shape (configurations, d)."""
        configurations = list(configurations)
        encoded = np.zeros((len(configurations), len(self.coordinate_groups)))
        for row, configuration in zip(encoded, configurations, strict=True):
            row[list(self.member_coordinates[configuration.combination])] = _ONE_HOT
            for name, domain in self.spec.by_label[configuration.combination].open.items():
                first = self.setting_coordinates[name]
                row[first : first + _width(domain)] = _coordinates(
                    domain, configuration.values[name]
                )
        return encoded


def unit_position(domain: Domain, value: Value) -> float:
    """Position of a number in its domain, in [0, 1]; numeric choices are spaced evenly."""
    match domain:
        case Categorical(values):
            if not isinstance(value, int | float):
                return 0.5
            ordered = sorted(float(choice) for choice in values if isinstance(choice, int | float))
            return ordered.index(float(value)) / max(1, len(ordered) - 1)
        case Float(low, high, log) | Int(low, high, log):
            number = float(value) if isinstance(value, int | float) else low
            if log:
                return math.log(number / low) / math.log(high / low)
            return (number - low) / (high - low)
        case Const():
            return 0.5


def _open_settings(spec: SweepSpec) -> dict[str, Domain]:
    """Every setting that some combination leaves open, with its domain in the first of them."""
    settings: dict[str, Domain] = {}
    for combination in spec.combinations:
        for name, domain in combination.open.items():
            settings.setdefault(name, domain)
    return settings


def _is_numeric(domain: Categorical) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in domain.values)


def _width(domain: Domain) -> int:
    """Number of coordinates of a setting."""
    return len(domain.values) if isinstance(domain, Categorical) and not _is_numeric(domain) else 1


def _coordinates(domain: Domain, value: Value) -> list[float]:
    if isinstance(domain, Categorical) and not _is_numeric(domain):
        return [_ONE_HOT * (value == choice) for choice in domain.values]
    return [unit_position(domain, value) - 0.5]

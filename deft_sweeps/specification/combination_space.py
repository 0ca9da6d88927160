"""Every combination of the axes' members: the legal ones to run, the others with the reason."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.combination import Combination, Excluded, middles
from deft_sweeps.specification.domain import Domain, Value, ends
from deft_sweeps.specification.space_member import SpaceMember

MAX_COMBINATIONS = 10_000


@dataclass(frozen=True)
class CombinationSpace:
    """What a sweep searches.

    Attributes:
        members: by axis, at least one on each.
    """

    members: Mapping[str, Sequence[SpaceMember]]
    legal: tuple[Combination, ...]
    excluded: tuple[Excluded, ...]


def combine(base: TrialConfig, members: Mapping[str, Sequence[SpaceMember]]) -> CombinationSpace:
    """Every combination of one member of each axis, in the order of the axes.

    Args:
        base: gives the settings that are on no axis.
        members: by axis, at least one on each.
    """
    legal: list[Combination] = []
    excluded: list[Excluded] = []
    for chosen in product(*members.values()):
        label = label_of(chosen)
        template = replace(base, **{member.axis: member.value for member in chosen})
        domains = {name: domain for member in chosen for name, domain in member.open.items()}
        combination = Combination(label, domains, template)
        reason = _why_illegal(combination)
        if reason is None:
            legal.append(combination)
        else:
            excluded.append(Excluded(label, reason))
    return CombinationSpace(members, tuple(legal), tuple(excluded))


def label_of(chosen: Sequence[SpaceMember]) -> str:
    """The label of the combination of these members, one of each axis."""
    return " ".join(member.label for member in chosen if member.label)


def n_combinations(members: Mapping[str, Sequence[SpaceMember]]) -> int:
    """How many combinations the members give, legal or not."""
    return math.prod(len(of_axis) for of_axis in members.values())


def _why_illegal(combination: Combination) -> str | None:
    """Why the combination is illegal, at its middle or with one or two parameters at an end."""
    if reason := illegal(combination.template):
        return reason
    nominal = middles(combination)
    for values in _ends_of_one_or_two(combination.open):
        if reason := illegal(combination.config(nominal | values)):
            at = ", ".join(f"{name} = {value}" for name, value in values.items())
            return f"{reason} (at {at}: give such values a member of their own)"
    return None


def _ends_of_one_or_two(domains: Mapping[str, Domain]) -> Iterator[dict[str, Value]]:
    for name, domain in domains.items():
        yield from ({name: value} for value in ends(domain))
    for one, other in combinations(domains, 2):
        yield from (
            {one: a, other: b} for a, b in product(ends(domains[one]), ends(domains[other]))
        )

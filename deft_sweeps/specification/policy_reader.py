"""Reads what a sweep aims at: objectives, limits, and how the configuration to ship is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deft_sweeps.objective import Constraint, Policy, parse_constraint, parse_policy
from deft_sweeps.specification.problem_collector import ProblemCollector
from deft_sweeps.specification.setting_reader import as_list
from deft_sweeps.specification.validation_message import Location
from deft_sweeps.specification.yaml_schema import given_or_default


@dataclass(frozen=True, slots=True)
class PolicySection:
    """The part of a sweep's YAML that says what a good trial is.

    Attributes:
        numbered_limits: each readable limit by its place in the list.
    """

    objectives: tuple[str, ...]
    numbered_limits: Mapping[int, Constraint]
    choose: Policy

    @property
    def limits(self) -> tuple[Constraint, ...]:
        """The limits that could be read, in their order."""
        return tuple(self.numbered_limits.values())

    def location_of(self, limit: Constraint) -> Location:
        """Where the YAML states a limit, of `limits` or of `choose`."""
        places = (("limits", i) for i, given in self.numbered_limits.items() if given == limit)
        return next(places, ("choose",))


def read_policy(data: Mapping[str, Any], problems: ProblemCollector) -> PolicySection:
    """The objectives, limits and choice, except those with problems."""
    limits = {}
    for i, text in enumerate(as_list(given_or_default(data, "limits"))):
        limit = _read_limit(i, text, problems)
        if limit is not None:
            limits[i] = limit
    choose = _read_choice(given_or_default(data, "choose"), problems)
    objectives = _read_objectives(given_or_default(data, "objectives"), problems)
    return PolicySection(objectives, limits, choose)


def _read_objectives(data: Any, problems: ProblemCollector) -> tuple[str, ...]:
    objectives = tuple(name for name in as_list(data) if isinstance(name, str))
    for i, name in enumerate(objectives):
        if name in objectives[:i]:
            what = f"the objective {name} is named twice"
            problems.add(("objectives", i), what, "keep one of them")
    return objectives


def _read_limit(i: int, text: Any, problems: ProblemCollector) -> Constraint | None:
    if not isinstance(text, str):
        return None
    try:
        return parse_constraint(text)
    except ValueError as error:
        problems.add(("limits", i), str(error))
        return None


def _read_choice(text: Any, problems: ProblemCollector) -> Policy:
    try:
        return parse_policy(text) if isinstance(text, str) else Policy()
    except ValueError as error:
        problems.add(("choose",), str(error))
        return Policy()

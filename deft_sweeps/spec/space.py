"""The axes' members as the spec gives them, and every combination of them: legal ones to run, the others with the reason."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from itertools import combinations, product
from typing import Any

from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.spec.domain import Choice, Const, Domain, Float, Int, Value, ends, middle
from deft_sweeps.spec.schema import Combination, Excluded

MAX_COMBINATIONS = 10_000


@dataclass(frozen=True)
class Option:
    """One member of an axis with its settings.

    Attributes:
        label: unique on the axis: the member's kind, and `lora-2` where the same kind stands there a second time; empty where the
            axis has but one member by nature (training).
        value: of TrialConfig's field, with the middle of its domain in every open place.
        settings: each setting given, open or not.
    """

    axis: str
    label: str
    value: Any
    settings: Mapping[str, Domain]

    @property
    def open(self) -> dict[str, Domain]:
        """The settings left to the search, by the name of their parameter."""
        return {self.parameter(name): domain for name, domain in self.settings.items() if not isinstance(domain, Const)}

    def parameter(self, setting: str) -> str:
        return ".".join(part for part in (self.axis, self.label, setting) if part)


@dataclass(frozen=True, slots=True)
class Fault:
    """A setting, or two, that a dataclass refuses.

    Attributes:
        path: from the member's settings to the value.
    """

    path: tuple[str | int, ...]
    what: str


def faults(of: type[Any], settings: Mapping[str, Domain]) -> list[Fault]:
    """What `of` refuses when it is made from the ends of every domain.

    A value is at fault by itself where `of` refuses it both with defaults and with the other settings for company (a limit may be
    another setting); what only two values together offend is said once, at the first of them.
    """
    nominal: dict[str, Any] = {name: middle(domain) for name, domain in settings.items()}
    required = [f.name for f in fields(of) if f.default is MISSING and f.default_factory is MISSING]
    company = {name: nominal[name] for name in required if name in nominal}
    if _refusal(of, company):
        company = dict.fromkeys(required, 1)
    found = []
    for name, domain in settings.items():
        for path, value in _places(domain):
            alone, together = _refusal(of, company | {name: value}), _refusal(of, nominal | {name: value})
            if alone and together:
                found.append((Fault((name, *path), alone), together))
    if len(found) == 1:
        # Among several, `together` would repeat the first; for a single one it tells of the values given, never of a default.
        return [Fault(fault.path, together) for fault, together in found]
    if found:
        return [fault for fault, _ in found]
    if refusal := _refusal(of, nominal):
        return [Fault((), refusal)]
    for name, domain in settings.items():
        for path, value in _places(domain):
            if refusal := _refusal(of, nominal | {name: value}):
                return [Fault((name, *path), f"{refusal} (the other settings at the middle of their ranges)")]
    for one, other in combinations(settings, 2):
        for (path, a), (_, b) in product(_places(settings[one]), _places(settings[other])):
            if refusal := _refusal(of, nominal | {one: a, other: b}):
                return [Fault((one, *path), f"{refusal}, where {one} is {a!r} and {other} is {b!r}")]
    return []


def option(axis: str, label: str, of: type[Any], settings: Mapping[str, Domain]) -> Option:
    """An option whose settings have no faults."""
    return Option(axis, label, of(**{name: middle(domain) for name, domain in settings.items()}), settings)


def combine(base: TrialConfig, options: Mapping[str, Sequence[Option]]) -> tuple[tuple[Combination, ...], tuple[Excluded, ...]]:
    """Every combination of one option an axis, in the axes' order: the legal ones, and the others.

    Args:
        base: gives the settings that are no axis.
        options: at least one an axis, by axis.
    """
    legal: list[Combination] = []
    excluded: list[Excluded] = []
    for chosen in product(*options.values()):
        label = " ".join(o.label for o in chosen if o.label)
        template = replace(base, **{o.axis: o.value for o in chosen})
        combination = Combination(label, {name: domain for o in chosen for name, domain in o.open.items()}, template)
        reason = _why_not(combination)
        if reason is None:
            legal.append(combination)
        else:
            excluded.append(Excluded(label, reason))
    return tuple(legal), tuple(excluded)


def n_combinations(options: Mapping[str, Sequence[Option]]) -> int:
    return math.prod(len(of_axis) for of_axis in options.values())


def middles(combination: Combination) -> dict[str, Value]:
    """The values of `combination.template`."""
    return {name: middle(domain) for name, domain in combination.open.items()}


def _why_not(combination: Combination) -> str | None:
    """Why the combination is illegal, at its middle or where any two of its parameters stand at an end."""
    if reason := illegal(combination.template):
        return reason
    nominal = middles(combination)
    names = list(combination.open)
    for some in _ends_of(names, combination.open):
        if reason := illegal(combination.config(nominal | some)):
            at = ", ".join(f"{name} = {value}" for name, value in some.items())
            return f"{reason} (at {at}: give such values a member of their own)"
    return None


def _ends_of(names: list[str], domains: Mapping[str, Domain]) -> Iterable[dict[str, Value]]:
    for name in names:
        yield from ({name: value} for value in ends(domains[name]))
    for one, other in combinations(names, 2):
        yield from ({one: a, other: b} for a, b in product(ends(domains[one]), ends(domains[other])))


def _refusal(of: type[Any], settings: Mapping[str, Any]) -> str | None:
    try:
        of(**settings)
    except ValueError as error:
        return str(error)
    return None


def _places(domain: Domain) -> list[tuple[tuple[str | int, ...], Any]]:
    match domain:
        case Float(low, high) | Int(low, high):
            return [(("low",), low), (("high",), high)]
        case Choice(values):
            return [(("choice", i), value) for i, value in enumerate(values)]
        case Const(value):
            return [((), value)]

"""Checks the domains of a dataclass's settings against its own rules, before any trial is made."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import combinations, product
from typing import Any

from deft_sweeps.specification.domain import Categorical, Const, Domain, Float, Int, middle

Path = tuple[str | int, ...]
Settings = Mapping[str, Domain]
Check = Callable[[Mapping[str, Any]], str | None]
"""Why the dataclass rejects these values; None if it accepts them."""


@dataclass(frozen=True, slots=True)
class RejectedValue:
    """A value, or a pair of values, that a dataclass rejects.

    Attributes:
        path: from the member's settings to the value; empty for the settings as a whole.
    """

    path: Path
    reason: str


def required_settings(of: type[Any]) -> list[str]:
    """The fields of a dataclass that have no default."""
    return [f.name for f in fields(of) if f.default is MISSING and f.default_factory is MISSING]


def rejected_values(of: type[Any], settings: Settings) -> list[RejectedValue]:
    """What `of` rejects at the ends of the domains; each stage runs only if those before pass.

    `settings` holds every required one, and any of the others.
    """

    def check(values: Mapping[str, Any]) -> str | None:
        try:
            of(**values)
        except ValueError as error:
            return str(error)
        return None

    return (
        _rejected_alone(check, settings, required_settings(of))
        or _rejected_middles(check, settings)
        or _rejected_ends(check, settings)
        or _rejected_pairs(check, settings)
    )


def _rejected_alone(check: Check, settings: Settings, required: list[str]) -> list[RejectedValue]:
    """Values that are rejected whatever the others are.

    Such a value is rejected both beside the defaults and beside the other settings' middles: the
    bound of a setting may be another setting.
    """
    middles = _middles(settings)
    defaults: dict[str, Any] = {name: middles[name] for name in required}
    if check(defaults):
        defaults = dict.fromkeys(required, 1)
    rejected = []
    for name, domain in settings.items():
        for path, value in _ends_with_paths(domain):
            alone, together = check(defaults | {name: value}), check(middles | {name: value})
            if alone and together:
                rejected.append(((name, *path), alone, together))
    if len(rejected) == 1:
        # `together` names the values that were given, never a default. Among several rejected
        # values it would repeat the first one's reason.
        return [RejectedValue(path, together) for path, _, together in rejected]
    return [RejectedValue(path, alone) for path, alone, _ in rejected]


def _rejected_middles(check: Check, settings: Settings) -> list[RejectedValue]:
    reason = check(_middles(settings))
    return [RejectedValue((), reason)] if reason else []


def _rejected_ends(check: Check, settings: Settings) -> list[RejectedValue]:
    """The first end that is rejected with the other settings at their middles."""
    middles = _middles(settings)
    for name, domain in settings.items():
        for path, value in _ends_with_paths(domain):
            if reason := check(middles | {name: value}):
                what = f"{reason} (the other settings at the middle of their ranges)"
                return [RejectedValue((name, *path), what)]
    return []


def _rejected_pairs(check: Check, settings: Settings) -> list[RejectedValue]:
    """The first two ends that are rejected together."""
    middles = _middles(settings)
    for one, other in combinations(settings, 2):
        pairs = product(_ends_with_paths(settings[one]), _ends_with_paths(settings[other]))
        for (path, a), (_, b) in pairs:
            if reason := check(middles | {one: a, other: b}):
                what = f"{reason}, where {one} is {a!r} and {other} is {b!r}"
                return [RejectedValue((one, *path), what)]
    return []


def _middles(settings: Settings) -> dict[str, Any]:
    return {name: middle(domain) for name, domain in settings.items()}


def _ends_with_paths(domain: Domain) -> Iterator[tuple[Path, Any]]:
    """Each end of a domain, with the path from the setting to where the YAML states it."""
    match domain:
        case Float(low, high) | Int(low, high):
            yield from ((("low",), low), (("high",), high))
        case Categorical(values):
            yield from ((("choice", i), value) for i, value in enumerate(values))
        case Const(value):
            yield (), value

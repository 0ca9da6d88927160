"""Domains: the values that one setting may take in a search."""

import math
from dataclasses import dataclass
from typing import assert_never

from deft_sweeps.config.axes import check

MAX_CHOICES = 100
"""No sampler learns from more values without an order, and each pair of them is checked."""

Value = bool | int | float | str | None | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Const:
    """One value; nothing to search."""

    value: Value


@dataclass(frozen=True, slots=True)
class Categorical:
    """A list of values without an order."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        n_values = len(self.values)
        check(n_values > 0, "at least one value to choose from", self.values)
        check(n_values <= MAX_CHOICES, f"at most {MAX_CHOICES} values to choose from", n_values)
        check(len(set(self.values)) == n_values, "values named once each", self.values)


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high], uniform, or uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        ends_are_finite = math.isfinite(self.low) and math.isfinite(self.high)
        check(ends_are_finite and self.low < self.high, "finite low < high", (self.low, self.high))
        check(not self.log or self.low > 0, "low > 0 on a log scale", self.low)


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number in [low, high], both ends included."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        check(self.low < self.high, "low < high", (self.low, self.high))
        check(not self.log or self.low > 0, "low > 0 on a log scale", self.low)


Domain = Const | Categorical | Float | Int


def ends(domain: Domain) -> tuple[Value, ...]:
    """The values that a check must try: both ends of a range, every value of a list."""
    match domain:
        case Const(value):
            return (value,)
        case Categorical(values):
            return values
        case Float(low, high) | Int(low, high):
            return (low, high)
    assert_never(domain)


def n_values(domain: Domain) -> float:
    """How many values the domain has; inf for a range of real numbers."""
    match domain:
        case Float():
            return math.inf
        case Int(low, high):  # Not listed: a range may hold billions.
            return high - low + 1
        case _:
            return len(listed(domain))


def listed(domain: Domain) -> tuple[Value, ...]:
    """Every value of the domain.

    Raises:
        ValueError: a range of real numbers cannot be listed.
    """
    match domain:
        case Const(value):
            return (value,)
        case Categorical(values):
            return values
        case Int(low, high):
            return tuple(range(low, high + 1))
        case Float():
            raise ValueError("a range of real numbers cannot be listed")
    assert_never(domain)


def middle(domain: Domain) -> Value:
    """The middle of a range, geometric on a log scale; the first value of a list."""
    match domain:
        case Const(value):
            return value
        case Categorical(values):
            return values[0]
        case Float(low, high, log):
            return math.sqrt(low) * math.sqrt(high) if log else low / 2 + high / 2
        case Int(low, high, log):
            return min(max(round(math.sqrt(low * high)), low), high) if log else (low + high) // 2
    assert_never(domain)


def contains(domain: Domain, value: Value) -> bool:
    """Whether a search over `domain` may propose `value`; a bool is not a number."""
    match domain:
        case Const(only):
            return _same(value, only)
        case Categorical(values):
            return any(_same(value, v) for v in values)
        case Float(low, high):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return low <= value <= high
        case Int(low, high):
            if isinstance(value, bool) or not isinstance(value, int):
                return False
            return low <= value <= high
    assert_never(domain)


def show(domain: Domain) -> str:
    """The domain as a reader writes it: `0.1 to 3, log`."""
    match domain:
        case Const(value):
            return _word(value)
        case Categorical(values):
            return "one of " + ", ".join(_word(v) for v in values)
        case Float(low, high, log) | Int(low, high, log):
            return f"{low:g} to {high:g}" + (", log" if log else "")
    assert_never(domain)


def _same(a: Value, b: Value) -> bool:
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _word(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_word(v) for v in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)

"""The values one setting may take in a search."""

import math
from dataclasses import dataclass

from deft_sweeps.config.axes import check

Value = bool | int | float | str | None | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Const:
    """One value; nothing to search."""

    value: Value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values without an order."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        check(len(self.values) > 0, "at least one value to choose from", self.values)
        check(len(set(self.values)) == len(self.values), "values named once each", self.values)


@dataclass(frozen=True, slots=True)
class Float:
    """A number in [low, high], uniform, or uniform in its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        check(math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high, "finite low < high", (self.low, self.high))
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


Domain = Const | Choice | Float | Int

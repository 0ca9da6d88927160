"""Refuses numbers that no measurement gives and that later sums could not hold."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache

_TOO_LARGE = 2**63
"""What databases and JSON's readers take as a whole number ends before."""


def check_numbers(value: object) -> None:
    """Checks every number in dataclasses, tuples and mappings.

    Raises:
        ValueError: one is not finite, or a whole number of more than 64 bits; names its place.
    """
    for where, number in _numbers(value, ""):
        if not (math.isfinite(number) if isinstance(number, float) else abs(number) < _TOO_LARGE):
            got = repr(number) if isinstance(number, float) else f"{number.bit_length()} bits"
            raise ValueError(f"{where}: expected a finite number of at most 64 bits, got {got}")


def _numbers(value: object, where: str) -> Iterator[tuple[str, float | int]]:
    if isinstance(value, int | float):
        yield where, value
    elif isinstance(value, tuple | list):
        for i, part in enumerate(value):
            yield from _numbers(part, f"{where}.{i}")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{where}.{name}")
    elif is_dataclass(value) and not isinstance(value, type):
        for name in _field_names(type(value)):
            yield from _numbers(getattr(value, name), f"{where}.{name}" if where else name)


@cache
def _field_names(of: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(of))

"""Numbers with units: how limits, tables, plans and messages write them, and how they are read.

A value is held in the base unit of its dimension: a share in [0, 1] (or [-1, 1]), bytes, seconds,
or a plain number.
"""

import math
import re
from typing import Literal

Dimension = Literal["share", "bytes", "seconds", "number"]

UNITS: dict[Dimension, dict[str, float]] = {
    "share": {"%": 0.01},
    "bytes": {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "KB": 1e3, "MB": 1e6, "GB": 1e9},
    "seconds": {"ms": 1e-3, "s": 1.0},
    "number": {},
}
"""The units that a value of each dimension may be written in, as multiples of its base unit."""

EXAMPLES: dict[Dimension, str] = {
    "share": "1 %",
    "bytes": "20 MiB",
    "seconds": "5 ms",
    "number": "1000",
}
"""A small amount of each dimension, for messages."""

QUANTITY = r"(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[A-Za-z%]*)"
"""A number with an optional unit, as part of a regular expression."""

_QUANTITY = re.compile(rf"^{QUANTITY}$")


def parse_quantity(text: str, dimension: Dimension, of: str) -> float:
    """Reads `64 MiB`, `20 ms`, `1 %` or a plain number, in the base unit of the dimension.

    Args:
        text: the number, with a unit or without.
        dimension: whose units are accepted.
        of: what the number is of, for the message.

    Raises:
        ValueError: with what was expected.
    """
    match = _QUANTITY.match(text.strip())
    if match is None:
        raise ValueError(f"expected a number with an optional unit, got {shortened(text)!r}")
    unit, units = match["unit"], UNITS[dimension]
    if unit and unit not in units:
        plain = "a plain number"
        expected = f"{plain}, or one in {', '.join(units)}" if units else plain
        raise ValueError(f"no unit {shortened(unit)!r} for {of}; expected {expected}")
    value = float(match["number"]) * units.get(unit, 1.0)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {shortened(match['number'])}")
    return value


def shortened(text: str) -> str:
    """What the user gave, cut to a length that a message can hold."""
    return text if len(text) <= 60 else text[:57] + "..."


def quantity(value: float, dimension: Dimension) -> str:
    """A measured value as tables show it, with its unit."""
    match dimension:
        case "share":
            return share(value)
        case "bytes":
            return size(value)
        case "seconds":
            return f"{value * 1e3:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
        case "number":
            whole = float(value).is_integer() and abs(value) < 1e15
            return f"{value:,.0f}" if whole else f"{value:.4g}"


def share(value: float) -> str:
    """`0.316`; a value that three digits would round to nothing keeps two: `4.0e-04`."""
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def size(n_bytes: float) -> str:
    """`512 B`, `147.8 MiB`, `1.21 GiB`."""
    if abs(n_bytes) >= 2**30:
        return f"{n_bytes / 2**30:.2f} GiB"
    return f"{n_bytes / 2**20:.1f} MiB" if abs(n_bytes) >= 2**20 else f"{n_bytes:.0f} B"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 20 min`: a time to the precision worth saying."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def gpu_part(share: float) -> str:
    """`a whole GPU`, `1/3 of a GPU` or `0.3 of a GPU`; share in (0, 1]."""
    n = round(1 / share)
    if n == 1 and share == 1:
        return "a whole GPU"
    return f"{f'1/{n}' if abs(n * share - 1) < 1e-9 else f'{share:.3g}'} of a GPU"


def count(n: int, noun: str, plural: str = "") -> str:
    """A number of things: `1 row`, `1,200 rows`.

    Args:
        n: how many.
        noun: of one.
        plural: of several; the noun with an s if not given.
    """
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"

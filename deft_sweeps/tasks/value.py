"""One value of a column as text, label, group or number, or why it is none: the same for every kind
of file and for the hub. Loads no torch.

| value | text | label | group | number (regression) |
| --- | --- | --- | --- | --- |
| text | as it is | without spaces at its ends | as it is | by the grammar below |
| whole number 1, 1.0, Decimal("1.00") | as printed | 1 | 1 | 1 |
| other number 1.5, Decimal("1.50") | as printed | 1.5 | 1.5 | 1.5 |
| true, false | True, False | True, False | True, False | refused |
| date, time | as printed (ISO) | the same | the same | refused |
| null, NaN | missing: refused with its rows | the same | the same | the same |
| list, mapping, bytes | refused by name | refused by name | refused by name | refused by name |
| list or mapping that Python printed | refused if most texts are | refused | as it is | refused |
| half a character (lone surrogate) | refused | refused | refused | refused |

A csv or tsv file has texts alone. Answers are read by `answers`.

A number is written with ASCII digits: a sign or none, digits with at most one decimal point, and
after `e` or `E` an exponent, without which there are no other letters, separators of thousands or
underscores; spaces around it do not count, and it must be finite: `1`, `-0.5`, `.5`, `1e-05`.
"""

import ast
import json
import math
import re
import warnings
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from types import EllipsisType

from deft_sweeps.errors import DataError

_PLAIN = (str, bool, int, float, Decimal, date, time, timedelta)
"""Types that have one obvious text; `date` covers timestamps."""

_NAMES: dict[type, str] = {
    bytes: "bytes",
    bytearray: "bytes",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    EllipsisType: "a printed array that was cut short (...)",
}

_MENDS = {
    "a list": "join its parts, or write one of them",
    "a mapping": "write one of its values",
    "bytes": "decode them",
    "a lone surrogate (half a character)": "write the character whole, in UTF-8",
    "several labels (a list)": "write one class a row",
    "several labels (a printed list or mapping)": "write one class a row",
    "printed bytes": "decode them before the file is written",
    "a printed list or mapping": "write the text alone",
}

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")

_PRINTED_BYTES = re.compile(r"b(?:'.*'|\".*\")", re.DOTALL)
LONGEST_PRINTED = 100_000
"""Characters of a printed value that is looked into."""
_LONGEST_NUMBER = 100


class NotTextError(ValueError):
    """A value is no text, and its printed form would be trained in its place; says what it is."""


class NotText(str):
    """Holds the place of a value that is no text, until all rows were read and can be refused
    together.

    Its content says what the value is: "a list".
    """

    __slots__ = ()

    @property
    def remedy(self) -> str:
        """How to mend such a value; empty where that is not obvious."""
        return _MENDS.get(str(self), "")


def is_missing(value: object) -> bool:
    """Whether a value stands for none: null, and the NaN that data frames write for it."""
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))


def as_text(value: object) -> str:
    """A value as the text of a column: empty where it is missing.

    Raises:
        NotTextError: it is a list, a mapping, bytes or the like, or text that is no Unicode.
    """
    if is_missing(value):
        return ""
    if not isinstance(value, _PLAIN):
        raise NotTextError(_NAMES.get(type(value), f"a value of the type {type(value).__name__}"))
    text = str(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise NotTextError("a lone surrogate (half a character)") from error
    return text


def as_group(value: object) -> str:
    """A value as the name of a group: one number is one group, whatever its type.

    Raises:
        NotTextError: as `as_text` does.
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite():
        is_whole = value == value.to_integral_value()
        return str(int(value)) if is_whole else format(value, "f").rstrip("0")
    return as_text(value)


def as_label(value: object) -> str:
    """A value as the name of a class: one number is one class, whatever its type.

    Raises:
        NotTextError: as `as_text` does, or the text is a list, a mapping or bytes as Python prints
            them: a file without types holds several classes of one row that way.
    """
    if isinstance(value, list | tuple):
        raise NotTextError("several labels (a list)")
    label = as_group(value).strip()
    if label.startswith(("[", "{", "(", "b'", 'b"')):
        printed = literal(label)
        if isinstance(printed, bytes):
            raise NotTextError("printed bytes")
        if isinstance(printed, list | tuple | set | dict):
            raise NotTextError("several labels (a printed list or mapping)")
    return label


def as_number(text: str) -> float | None:
    """The number that a text is by the module's grammar; None if it is none."""
    plain = text.strip(" \t")
    if not _NUMBER.fullmatch(plain):
        return None
    number = float(plain)
    return number if math.isfinite(number) else None


def printed_kind(texts: Sequence[str]) -> str:
    """What a column of texts holds, if most of it was printed by Python: `a printed list or
    mapping`, or `printed bytes`; empty for texts.

    JSON is text that people train models to read and write, and so is a single text in brackets.
    """
    given = [text for text in texts if text.strip()]
    for kind, is_kind in (("printed bytes", _is_bytes), ("a printed list or mapping", _is_listed)):
        if given and sum(map(is_kind, given)) > len(given) / 2:
            return kind
    return ""


def spelled_twice(labels: Sequence[str]) -> list[str]:
    """Labels that are one number, written in several ways: `1` and `1.0`."""
    spellings: dict[Decimal, list[str]] = {}
    for label in dict.fromkeys(labels):
        if len(label) < _LONGEST_NUMBER and _DECIMAL.fullmatch(label):
            spellings.setdefault(Decimal(label), []).append(label)
    return [label for same in spellings.values() if len(same) > 1 for label in same]


def literal(text: str) -> object:
    """The literal of Python that a text is; None if it is none, or too long to be looked into."""
    if len(text) > LONGEST_PRINTED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of backslashes that Python would not print.
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def refuse_rows(where: str, wrong: dict[int, str], n_rows: int) -> None:
    """Refuse the rows of a data set whose columns are fixed.

    Args:
        where: the file or data set.
        wrong: number of a row from 1, and what is wrong with it.
        n_rows: of all.

    Raises:
        DataError: there are any.
    """
    lines = []
    for what in dict.fromkeys(wrong.values()):
        numbers = [number for number, other in wrong.items() if other == what]
        shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
        lines.append(f"{where}: {len(numbers)} of {n_rows} rows have {what}: row {shown}")
    if lines:
        raise DataError("\n".join(lines))


def _is_bytes(text: str) -> bool:
    plain = text.strip()
    return _PRINTED_BYTES.fullmatch(plain) is not None and isinstance(literal(plain), bytes)


def _is_listed(text: str) -> bool:
    plain = text.strip()
    if plain.startswith("array(") and plain.endswith(")"):
        return True
    if not plain.startswith(("[", "{", "(")) or not plain.endswith(("]", "}", ")")):
        return False
    if not isinstance(literal(plain), list | tuple | set | dict):
        return False
    try:
        json.loads(plain)
    except (ValueError, RecursionError):
        return True
    return False

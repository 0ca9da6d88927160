"""One value of a column as text, or why it is none: the same for every kind of file and for the
hub. Loads no torch.
"""

import ast
import math
import re
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from deft_sweeps.errors import DataError

_PLAIN = (str, bool, int, float, Decimal, date, time, timedelta)
"""Types that have one obvious text; `date` covers timestamps."""

_NAMES: dict[type, str] = {
    bytes: "bytes",
    bytearray: "bytes",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}

_MENDS = {
    "a list": "join its parts, or write one of them",
    "a mapping": "write one of its values",
    "bytes": "decode them",
    "a lone surrogate (half a character)": "write the character whole, in UTF-8",
    "a printed list or mapping": "write one class a row",
}

_PRINTED = re.compile(r"\s*(\{\s*['\"]|\[\s*['\"{]|array\()")
"""Begins like a mapping, a list of texts or a numpy array that Python printed."""

# A printed mapping may hold numpy arrays, which are no literals of Python.
_PRINTED_ANSWERS = re.compile(r"\s*(\{\s*['\"](text|answer_start)['\"]\s*:|array\(\[)")


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


def as_label(value: object) -> str:
    """A value as the name of a class: the whole numbers 1 and 1.0 are one class.

    Raises:
        NotTextError: as `as_text` does, or the text is a list, a mapping or bytes as Python prints
            them: a file without types holds several classes of one row that way.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    label = as_text(value).strip()
    if label.startswith(("[", "{", "(", "b'", 'b"')):
        printed = _literal(label)
        if isinstance(printed, bytes):
            raise NotTextError("bytes")
        if isinstance(printed, list | tuple | set | dict):
            raise NotTextError("a printed list or mapping")
    return label


def as_answers(value: Any) -> tuple[list[str], list[int]]:
    """The answers of a cell, and where each begins in its context (-1 where the cell does not say).

    A cell is a text, a list of texts, SQuAD's mapping of `text` and `answer_start`, or missing.

    Raises:
        NotTextError: it is of another shape.
    """
    given: object = None
    if isinstance(value, dict):
        if "text" not in value:
            raise NotTextError("a mapping without `text`")
        given, value = value.get("answer_start"), value["text"]
    cells = list(value) if isinstance(value, list | tuple) else [value]
    if any(isinstance(cell, dict | list | tuple) for cell in cells):
        raise NotTextError("a list of mappings or lists")
    # None says that there is no answer; a data frame writes NaN for what it does not know.
    if any(cell is not None and is_missing(cell) for cell in cells):
        raise NotTextError("NaN")
    texts = [as_text(cell) for cell in cells]
    begins = list(given) if isinstance(given, list | tuple) else [given]
    starts = [_start(begin) for begin in begins]
    return texts, starts if len(starts) == len(texts) else [-1] * len(texts)


def is_printed(text: str) -> bool:
    """Whether a text is a mapping, a list or an array as Python prints it, as data frames write
    them into a csv.
    """
    if _PRINTED_ANSWERS.match(text):
        return True
    if not _PRINTED.match(text):
        return False
    return isinstance(_literal(text.strip()), list | dict)


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


def _literal(text: str) -> object:
    """The literal of Python that a text is; None if it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _start(begin: object) -> int:
    if is_missing(begin):
        return -1
    if (
        isinstance(begin, bool)
        or not isinstance(begin, int | float)
        or not float(begin).is_integer()
    ):
        raise NotTextError("an answer_start that is no whole number")
    return int(begin)

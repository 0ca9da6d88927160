"""The first rows of a file, column by column, and what kind of values a column holds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

_FEW_NUMBERS = 20
"""Whole numbers of at most so many values are taken for classes."""
_LONGEST_CLASS = 60
_TOKENS_PER_WORD = 1.5
_FIRST_IDEOGRAPH = "\u2e80"
"""From here on, writing systems set no spaces between words, and a character is about a token."""


@dataclass(frozen=True)
class Column:
    """One column of the sampled rows.

    Attributes:
        values: of the sampled rows; None, NaN and empty text are missing.
    """

    name: str
    values: tuple[Any, ...]

    @cached_property
    def given(self) -> list[Any]:
        """The values that are not missing; bytes that are UTF-8 as their text."""
        return [_decoded(value) for value in self.values if not _is_missing(value)]

    @cached_property
    def is_nested(self) -> bool:
        """Whether some values are neither text nor numbers: lists, mappings, bytes."""
        return any(isinstance(value, list | tuple | dict | bytes) for value in self.given)

    @cached_property
    def texts(self) -> list[str]:
        """The given values as text; whole numbers without a decimal point."""
        return [_as_text(value) for value in self.given]

    @cached_property
    def n_distinct(self) -> int:
        """Number of different values."""
        return len(set(self.texts))

    @cached_property
    def is_number(self) -> bool:
        """Whether every given value is a finite number, also one written as text."""
        return bool(self.given) and all(map(_is_number, self.given))

    @cached_property
    def is_whole(self) -> bool:
        """Whether every given value is a whole number."""
        return self.is_number and all(float(text).is_integer() for text in self.texts)

    @cached_property
    def mean_length(self) -> float:
        """Characters of a value in the mean."""
        return sum(map(len, self.texts)) / len(self.texts) if self.texts else 0.0

    @property
    def is_text(self) -> bool:
        """Whether the values can be texts: words, and not all the same."""
        is_word = bool(self.given) and all(isinstance(value, str) for value in self.given)
        return is_word and not self.is_number and self.n_distinct > 1

    @property
    def is_unique(self) -> bool:
        """Whether no value comes back."""
        return self.n_distinct == len(self.texts)

    @property
    def no_classes(self) -> str:
        """Why the column holds no classes; empty if it may."""
        if not self.given or self.is_nested:
            return "is empty" if not self.given else "holds lists, mappings or bytes"
        if self.n_distinct == 1:
            return "has one value only"
        if self.n_distinct > len(self.texts) // 2:
            return f"has {self.n_distinct} different values in {len(self.texts)} rows"
        if self.is_number and (not self.is_whole or self.n_distinct > _FEW_NUMBERS):
            return "holds numbers, not classes"
        return "holds texts, too long for classes" if self.mean_length > _LONGEST_CLASS else ""

    @property
    def no_numbers(self) -> str:
        """Why the column holds no numbers to predict; empty if it may."""
        if not self.is_number:
            return "holds no numbers"
        return "has one value only" if self.n_distinct == 1 else ""

    def tokens(self) -> list[float]:
        """About how many tokens each sampled value takes; 0 where it is missing."""
        return [0.0 if _is_missing(value) else _tokens(str(value)) for value in self.values]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so many of the values are."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _tokens(text: str) -> float:
    dense = sum(character >= _FIRST_IDEOGRAPH for character in text)
    return len(text.split()) * _TOKENS_PER_WORD + dense


def _decoded(value: Any) -> Any:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _is_missing(value: Any) -> bool:
    is_nan = isinstance(value, float | Decimal) and math.isnan(value)
    return value is None or is_nan or (isinstance(value, str) and not value.strip())


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return False
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False

"""Guesses which columns of a labelled file hold the text and the label."""

import csv
import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from deft_sweeps.errors import DataError
from deft_sweeps.objective import suggest

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
MAX_CLASSES = 50

_TEXT_NAMES = (
    "text",
    "sentence",
    "review",
    "content",
    "body",
    "message",
    "comment",
    "document",
    "input",
)
_LABEL_NAMES = ("label", "sentiment", "class", "category", "target", "rating", "y")
_N_SAMPLED_ROWS = 5_000
_TOKENS_PER_WORD = 1.5
_TEMPLATE_TOKENS = 6

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """What a labelled file seems to hold.

    Attributes:
        columns: every column of the file.
        text, label: the two columns to use.
        classes: of the label, in the sampled rows, sorted.
        n_rows: of the whole file.
        max_input_tokens: enough for 95 % of the texts, estimated from their words, in [16, 512].
    """

    path: str
    columns: tuple[str, ...]
    text: str
    label: str
    classes: tuple[str, ...]
    n_rows: int
    max_input_tokens: int


def guess_columns(path: Path, text: str | None = None, label: str | None = None) -> ColumnGuess:
    """Guesses which columns of a file hold the text and the label.

    Args:
        path: of a csv, tsv, jsonl or parquet file.
        text: the column with the text; None guesses it.
        label: the column with the label; None guesses it.

    Raises:
        DataError: the file cannot be read, lacks a named column, or has no likely columns.
    """
    sample, n_rows = _sample(path)
    columns = tuple(dict.fromkeys(name for row in sample for name in row))
    _check_columns(path, columns, [name for name in (text, label) if name is not None])
    values = {
        column: [str(row[column]) for row in sample if row.get(column) not in (None, "")]
        for column in columns
    }
    text = text or _guess_text([c for c in columns if c != label], values)
    label = label or _guess_label([c for c in columns if c != text], values)
    if label is None:
        what = f"no column looks like a label (2 to {MAX_CLASSES} values that come back)"
        all_columns = ", ".join(columns)
        raise DataError(f"{path}: {what}; there are {all_columns}; name it with --label")
    return ColumnGuess(
        path=str(path),
        columns=columns,
        text=text,
        label=label,
        classes=tuple(sorted(set(values[label]))),
        n_rows=n_rows,
        max_input_tokens=_max_input_tokens(values[text]),
    )


def _sample(path: Path) -> tuple[list[Row], int]:
    """The first rows of the file, and how many it has."""
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    try:
        rows = _rows(path)
        sample = list(islice(rows, _N_SAMPLED_ROWS))
        n_rows = len(sample) + sum(1 for _ in rows)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not sample:
        raise DataError(f"{path}: expected a header and rows under it, got no rows")
    return sample, n_rows


def _check_columns(path: Path, columns: Sequence[str], named: Sequence[str]) -> None:
    all_columns = ", ".join(columns)
    if len(columns) < 2:
        what = "expected at least two columns, a text and a label, got only"
        raise DataError(f"{path}: {what} {all_columns}")
    for name in named:
        if name not in columns:
            what = f"no column {name!r}{suggest(name, columns)}"
            raise DataError(f"{path}: {what}; there are {all_columns}")


def _max_input_tokens(texts: Sequence[str]) -> int:
    """Tokens that hold 95 % of the texts and the template, a multiple of 16 in [16, 512]."""
    n_words = sorted(len(text.split()) for text in texts) or [1]
    most_words = n_words[min(len(n_words) - 1, int(0.95 * len(n_words)))]
    tokens = most_words * _TOKENS_PER_WORD + _TEMPLATE_TOKENS
    return min(512, max(16, math.ceil(tokens / 16) * 16))


def _rows(path: Path) -> Iterator[Row]:
    match path.suffix.lower():
        case ".jsonl":
            return _jsonl(path)
        case ".parquet":
            return _parquet(path)
        case ending:
            return _delimited(path, "\t" if ending == ".tsv" else ",")


def _delimited(path: Path, delimiter: str) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter=delimiter), 1):
            if None in row:
                raise ValueError(f"row {number} has more fields than the header")
            yield row


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: expected a JSON object, got {type(row).__name__}")
            yield row


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()


def _guess_text(columns: Sequence[str], values: Mapping[str, Sequence[str]]) -> str:
    """The column named like a text, or the one with the longest values."""

    def mean_length(column: str) -> float:
        return statistics.fmean(map(len, values[column])) if values[column] else 0.0

    named = max(columns, key=lambda column: (_is_named(column, _TEXT_NAMES), mean_length(column)))
    longest = max(columns, key=mean_length)
    # `text_id` is not a text: a name counts only if the values are not far shorter.
    return named if mean_length(named) >= mean_length(longest) / 3 else longest


def _guess_label(columns: Sequence[str], values: Mapping[str, Sequence[str]]) -> str | None:
    """The column of few values that come back, best one named like a label."""

    def n_classes(column: str) -> int:
        return len(set(values[column]))

    def may_be_label(column: str) -> bool:
        return 2 <= n_classes(column) <= min(MAX_CLASSES, len(values[column]) / 2)

    def preference(column: str) -> tuple[bool, int]:
        return _is_named(column, _LABEL_NAMES), -n_classes(column)

    return max(filter(may_be_label, columns), key=preference, default=None)


def _is_named(column: str, names: Sequence[str]) -> bool:
    return any(word in names for word in re.split(r"[^a-z]+", column.lower()))

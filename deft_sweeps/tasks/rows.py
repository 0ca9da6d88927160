"""The rows of a file: csv, tsv, jsonl or parquet, any but parquet also gzipped. Loads no torch."""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from deft_sweeps.errors import DataError

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")

# The csv module's own limit is 128 KiB a field, which a long document passes.
_MAX_FIELD_BYTES = 2**26


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[list[Any]]:
    """The values of some columns, row by row: text where the file has no types, what was written
    there where it has; None where missing.

    Args:
        path: of the file.
        columns: to read.

    Raises:
        DataError: there is no such file, it cannot be read, or it lacks a column.
    """
    with _told(path):
        match ending(path):
            case ".parquet":
                yield from _parquet(path, columns)
            case ".jsonl":
                yield from _jsonl(path, columns)
            case suffix:
                yield from _delimited(path, columns, "\t" if suffix == ".tsv" else ",")


def columns_of(path: Path) -> list[str]:
    """Names of a file's columns; those of a jsonl file's first row.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    with _told(path):
        match ending(path):
            case ".parquet":
                from pyarrow import parquet

                return list(parquet.read_schema(path).names)
            case ".jsonl":
                return list(next(iter(_objects(path)), {}))
            case suffix:
                with _open(path) as file:
                    return next(csv.reader(file, delimiter="\t" if suffix == ".tsv" else ","), [])


def raw_rows(path: Path) -> Iterator[list[str]]:
    """Every line of a tab-separated file that knows no quotes, its header too, as GLUE ships them.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    # A carriage return within a line is no end of it.
    with _told(path), _open(path, newline="\n") as file:
        yield from (line.rstrip("\r\n").split("\t") for line in file)


def ending(path: Path) -> str:
    """How the file's name ends, without `.gz`.

    Raises:
        DataError: it is none of ENDINGS.
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    return suffix.lower()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    import pyarrow as pa

    ending(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file (looked for at {path.absolute()})")
    try:
        yield
    except (OSError, EOFError, UnicodeError, csv.Error, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _open(path: Path, newline: str = "") -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=newline)
    return path.open(encoding="utf-8-sig", newline=newline)


def _delimited(path: Path, columns: Sequence[str], delimiter: str) -> Iterator[list[Any]]:
    csv.field_size_limit(_MAX_FIELD_BYTES)
    with _open(path) as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header = next(reader, [])
        _require(path, columns, header)
        places = [header.index(column) for column in columns]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}:{reader.line_num}: expected {len(header)} fields, got {len(row)}; a"
                    f" field with {delimiter!r} needs quotes"
                )
            yield [row[place] for place in places]


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                document = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number}: not JSON: {error}") from error
            if not isinstance(document, dict):
                raise DataError(
                    f"{path}:{number}: expected a JSON object, got {type(document).__name__}"
                )
            yield document


def _jsonl(path: Path, columns: Sequence[str]) -> Iterator[list[Any]]:
    # A row may leave a column out, so that only all of them tell which columns there are.
    present: dict[str, None] = {}
    for document in _objects(path):
        present |= dict.fromkeys(document)
        yield [document.get(column) for column in columns]
    _require(path, columns, list(present))


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[list[Any]]:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        _require(path, columns, file.schema_arrow.names)
        for batch in file.iter_batches(columns=list(dict.fromkeys(columns))):
            read = [batch.column(column).to_pylist() for column in columns]
            yield from (list(row) for row in zip(*read, strict=True))


def _require(path: Path, columns: Sequence[str], present: Sequence[str]) -> None:
    missing = [column for column in columns if column not in present]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; there are {', '.join(present) or 'none'}"
        )

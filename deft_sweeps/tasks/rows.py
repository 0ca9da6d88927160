"""The rows of a csv, tsv, jsonl, json or Parquet file, or of a folder of Parquet files: one reader
for all that asks for rows. Loads no torch.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from deft_sweeps.errors import DataError
from deft_sweeps.tasks.delimited import DelimitedFile, open_delimited
from deft_sweeps.tasks.json_rows import JsonFile
from deft_sweeps.tasks.parquet_rows import ParquetFiles, parquet_files
from deft_sweeps.tasks.text_file import open_text, reading

ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


class RowFile(Protocol):
    """A file whose way of being read is settled."""

    @property
    def notes(self) -> tuple[str, ...]:
        """How it is read, where that is not as its name says."""

    def columns(self) -> list[str]:
        """Names of its columns."""

    def rows(self, columns: Sequence[str]) -> Iterator[list[Any]]:
        """The values of some columns, row by row: text where the file has no types, what was
        written there where it has; None where missing.

        Raises:
            DataError: it lacks a column, or cannot be read.
        """


def open_rows(path: Path, encoding: str | None = None) -> RowFile:
    """Settles how a file is read.

    Args:
        path: of the file, or of a folder of Parquet files.
        encoding: of a text file; None is UTF-8, or what its byte order mark says.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    if path.is_dir():
        return ParquetFiles(parquet_files(path))
    suffix = ending(path)
    if suffix == ".parquet":
        with reading(path):
            return ParquetFiles((path,))
    file = open_text(path, encoding)
    if suffix in (".json", ".jsonl"):
        return JsonFile(file, file.notes)
    return open_delimited(file, "\t" if suffix == ".tsv" else ",")


def read_rows(
    path: Path, columns: Sequence[str], encoding: str | None = None
) -> Iterator[list[Any]]:
    """The values of some columns, row by row, as `RowFile.rows` gives them.

    Raises:
        DataError: there is no such file, it cannot be read, or it lacks a column.
    """
    yield from open_rows(path, encoding).rows(columns)


def columns_of(path: Path, encoding: str | None = None) -> list[str]:
    """Names of a file's columns.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    return open_rows(path, encoding).columns()


def raw_rows(path: Path) -> Iterator[list[str]]:
    """Every line of a tab-separated file that knows no quotes, its header too, as GLUE ships them.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    ending(path)
    for line in open_text(path, None).lines():
        yield line.rstrip("\r\n").split("\t")


def ending(path: Path) -> str:
    """How the file's name ends, without `.gz`; a folder counts as Parquet.

    Raises:
        DataError: it is none of ENDINGS.
    """
    if path.is_dir():
        return ".parquet"
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    if suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    return suffix.lower()


def unusual_reading(path: Path, encoding: str | None) -> str:
    """How a delimited file is read, if not with its ending's delimiter and with quotes; else empty.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    file = open_rows(path, encoding) if ending(path) in (".csv", ".tsv") else None
    if not isinstance(file, DelimitedFile) or file.dialect.is_usual:
        return ""
    return str(file.dialect)


def row_files(path: Path) -> list[Path]:
    """The files that a path stands for: itself, or those of a folder of Parquet files.

    Raises:
        DataError: the folder has none.
    """
    return list(parquet_files(path))

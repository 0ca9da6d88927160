"""Rows of a Parquet file, or of a folder of them as Spark and others write it. Loads no torch."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deft_sweeps.errors import DataError
from deft_sweeps.tasks.json_rows import require

_SPLIT = re.compile(r"(?:^|[-_.])(train|validation|valid|val|dev|test)(?=[-_.])", re.IGNORECASE)
"""A split in a file's name, as the hub writes it: `train-00000-of-00001.parquet`."""


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """One file, or the files of a folder in the order of their names."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """Names of the columns of the first file."""
        from pyarrow import parquet

        with _reading(self.paths[0]):
            return list(parquet.read_schema(self.paths[0]).names)

    def rows(self, columns: Sequence[str]) -> Iterator[list[Any]]:
        """The values of some columns, row by row; None where one is missing."""
        from pyarrow import parquet

        for path in self.paths:
            with (
                _reading(path),
                parquet.ParquetFile(path, page_checksum_verification=True) as file,
            ):
                names = file.schema_arrow.names
                require(path, columns, names)
                twice = [name for name, n in Counter(names).items() if n > 1 and name in columns]
                if twice:
                    raise DataError(
                        f"{path}: more than one column is named {', '.join(map(repr, twice))}; give"
                        " each a name of its own"
                    )
                for batch in file.iter_batches(columns=list(dict.fromkeys(columns))):
                    read = [batch.column(column).to_pylist() for column in columns]
                    yield from (list(row) for row in zip(*read, strict=True))


def parquet_files(path: Path) -> tuple[Path, ...]:
    """The file itself, or those of a folder.

    Raises:
        DataError: the folder has none, or is parted by a column.
    """
    if not path.is_dir():
        return (path,)
    parted = sorted(one.name for one in path.iterdir() if one.is_dir() and "=" in one.name)
    if parted:
        raise DataError(
            f"{path}: the values of a column are in the names of its folders ({parted[0]});"
            " write the files with that column in them"
        )
    files = tuple(sorted(one for one in path.glob("*.parquet") if one.name[0] not in "._"))
    if not files:
        raise DataError(f"{path}: a folder without Parquet files (*.parquet)")
    splits = {match[1].lower() for one in files if (match := _SPLIT.search(one.name))}
    if len(splits) > 1:
        raise DataError(
            f"{path}: its files are of several splits ({', '.join(sorted(splits))}), which would be"
            " read as one; name the file of each as path, validation_path and test_path"
        )
    return files


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{path}: cannot be read: {reason}") from error

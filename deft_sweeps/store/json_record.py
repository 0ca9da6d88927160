"""One frozen dataclass a JSON file."""

from collections.abc import Hashable
from pathlib import Path
from typing import TypeVar, cast

from deft_sweeps.config.trial import codec
from deft_sweeps.store.atomic_file import write_atomically

T = TypeVar("T")


def write_record(path: Path, record: object) -> None:
    """Writes a dataclass, atomically; an earlier file is replaced."""
    write_atomically(path, codec(cast(Hashable, type(record))).dump_json(record, indent=1) + b"\n")


def read_record(path: Path, of: type[T]) -> T:
    """Reads a dataclass back.

    Raises:
        OSError: there is no such file, or it cannot be opened.
        ValueError: it does not hold one of this class.
    """
    record: T = codec(cast(Hashable, of)).validate_json(path.read_bytes())
    return record

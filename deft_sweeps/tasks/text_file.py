"""A text file line by line, whatever its encoding, and gzipped or not. Loads no torch.

| file | read as |
| --- | --- |
| no `encoding`, begins with a byte order mark | what the mark says: UTF-8, UTF-16 or UTF-32 |
| no `encoding`, no mark | UTF-8 |
| `encoding` | as that says; a mark at its beginning is left out |
| begins with gzip's own two bytes, whatever its name | unpacked |

Lines end at a line feed. A carriage return inside a line is text, except in a file that has
carriage returns alone.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path

from deft_sweeps.errors import DataError

_HEAD_BYTES = 2**16
_LONGEST_SHOWN = 60

# The longer mark first: UTF-32's begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_FOREIGN = {
    b"PK\x03\x04": "a zip archive, as xlsx files are; save it as csv or jsonl",
    b"\xd0\xcf\x11\xe0": "an xls file; save it as csv or jsonl",
    b"PAR1": "a Parquet file; give it a name that ends in .parquet",
    b"BZh": "packed by bzip2; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed by xz; unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it, or pack it with gzip",
}


@dataclass(frozen=True, slots=True)
class TextFile:
    """How a file's bytes become lines.

    Attributes:
        codec: of Python.
        is_packed: by gzip.
        line_end: a line feed, or a carriage return where the file has no other.
        is_doubtful: its `encoding` is another, but its bytes begin like UTF-8 with more than ASCII.
    """

    path: Path
    codec: str
    is_packed: bool
    line_end: str
    is_doubtful: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of how it is read."""
        if not self.is_doubtful:
            return ()
        return (f"read as {self.codec}, as `encoding` says, though it is UTF-8 as well",)

    def lines(self) -> Iterator[str]:
        """Every line with its end.

        Raises:
            DataError: the file cannot be read, or is of another encoding.
        """
        with reading(self.path):
            try:
                with TextIOWrapper(
                    _bytes(self.path, is_packed=self.is_packed),
                    encoding=self.codec,
                    newline=self.line_end,
                ) as file:
                    first = file.readline()
                    # `utf-16-le`, named, leaves the mark where it is.
                    yield from [first.removeprefix("\ufeff")] if first else []
                    yield from file
            except UnicodeError as error:
                raise DataError(self._misfit()) from error

    def text(self) -> str:
        """All of it.

        Raises:
            DataError: as `lines` does.
        """
        return "".join(self.lines())

    def _misfit(self) -> str:
        """Where the file is not of its encoding, and which one fits."""
        name = self.codec.removesuffix("-sig").upper()
        if self.codec not in ("utf-8", "utf-8-sig"):
            return (
                f"{self.path}: not {name} throughout; write the encoding that it has as"
                " `encoding:` in `task`, or save it as UTF-8"
            )
        with _bytes(self.path, is_packed=self.is_packed) as file:
            numbered = enumerate(file, 1)
            number, line = next((one for one in numbered if not _is_utf8(one[1])), (0, b""))
        fitting = "cp1252" if any(0x80 <= byte < 0xA0 for byte in line) else "latin-1"
        shown = line.decode(fitting, errors="replace").strip()[:_LONGEST_SHOWN]
        return (
            f"{self.path}:{number}: not UTF-8; in {fitting} the line reads {shown!r}. If that is"
            f" right, write `encoding: {fitting}` in `task`; otherwise name the encoding that it"
            " was written in, or save it as UTF-8"
        )


def open_text(path: Path, encoding: str | None) -> TextFile:
    """How a file is to be read.

    Args:
        path: of the file.
        encoding: that the task names; None where it names none.

    Raises:
        DataError: there is no such file, it cannot be read, or it is no text.
    """
    with reading(path):
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        with _bytes(path, is_packed=is_packed) as file:
            head = file.read(_HEAD_BYTES)
    for mark, what in _FOREIGN.items():
        if head.startswith(mark):
            raise DataError(f"{path}: is no text but {what}")
    codec, is_doubtful = _codec(path, head, encoding)
    text = head.decode(codec, errors="replace")
    line_end = "\r" if "\r" in text and "\n" not in text else "\n"
    return TextFile(path, codec, is_packed, line_end, is_doubtful)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Says which file it is that cannot be read.

    Raises:
        DataError: whatever keeps the file from being read.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file (looked for at {path.absolute()})")
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _codec(path: Path, head: bytes, encoding: str | None) -> tuple[str, bool]:
    marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    if encoding is None:
        if marked is None and (wide := _unmarked_utf16(head)):
            raise DataError(
                f"{path}: not UTF-8 but seemingly UTF-16 without a byte order mark; write"
                f" `encoding: {wide}` in `task`, or save it as UTF-8"
            )
        return marked or "utf-8", False
    codec = codecs.lookup(encoding).name
    if codec == "utf-8":
        return "utf-8-sig", False
    if marked is not None and not codec.startswith(marked.removesuffix("-sig")):
        right = marked.removesuffix("-sig")
        raise DataError(
            f"{path}: begins with the byte order mark of {right.upper()}, so it is not {encoding};"
            f" leave `encoding` out of `task`, or write `encoding: {right}`"
        )
    is_utf8 = _is_utf8(head, is_whole=len(head) < _HEAD_BYTES)
    return codec, not head.isascii() and is_utf8


def _unmarked_utf16(head: bytes) -> str:
    """UTF-16 of a mostly Latin text has a zero in every other byte; empty if it is not that."""
    n_pairs = len(head) // 2
    if n_pairs and head[1::2].count(0) > n_pairs / 2 and head[::2].count(0) == 0:
        return "utf-16-le"
    if n_pairs and head[::2].count(0) > n_pairs / 2 and head[1::2].count(0) == 0:
        return "utf-16-be"
    return ""


def _is_utf8(line: bytes, *, is_whole: bool = True) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(line, is_whole)
    except UnicodeDecodeError:
        return False
    return True


def _bytes(path: Path, *, is_packed: bool) -> "BufferedReader | gzip.GzipFile":
    return gzip.open(path, "rb") if is_packed else path.open("rb")

"""One row after another of a delimited file, in a dialect that is given. Loads no torch.

With quotes a row is read as RFC 4180 has it: a quote at the beginning of a field opens it, and the
field may go on over several lines. Without quotes each line is a row.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from deft_sweeps.errors import DataError
from deft_sweeps.tasks.text_file import TextFile

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}

_ROW_SHARE = 0.8

_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*(?P<close>"?)')

# The end of a line inside one, for the csv module, which would end the row there. Decoded text has
# no surrogates.
_RETURN, _FEED = "\udc0d", "\udc0a"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited file is read.

    Attributes:
        n_skipped: lines before the header.
        is_own: the delimiter is the one that the file's ending means.
    """

    delimiter: str
    is_quoted: bool = True
    n_skipped: int = 0
    is_own: bool = True

    @property
    def is_usual(self) -> bool:
        """Whether the ending's delimiter and quotes say all of it."""
        return self.is_quoted and self.is_own and not self.n_skipped


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stands in the file.

    Attributes:
        line: its first one, from 1.
        lines: as they stand there.
        fields: none for a blank line.
    """

    line: int
    lines: list[str]
    fields: list[str]

    def rows(self, delimiter: str, n_fields: int) -> list[list[str]]:
        """The lines that have as many fields, read without quotes; none if they are few."""
        alone = [line.rstrip("\r\n").split(delimiter) for line in self.lines]
        rows = [one for one in alone if len(one) == n_fields]
        return rows if len(rows) >= max(2.0, _ROW_SHARE * len(alone)) else []


class QuoteError(DataError):
    """A quote that opens a field is not closed, or not where a field ends."""


def records(file: TextFile, dialect: Dialect) -> Iterator[Record]:
    """Every row, the header first.

    Raises:
        QuoteError: a quote is not closed where a field ends.
    """
    lines = islice(file.lines(), dialect.n_skipped, None)
    number = dialect.n_skipped + 1
    if not dialect.is_quoted:
        for at, line in enumerate(lines, number):
            bare = line.rstrip("\r\n")
            yield Record(at, [line], bare.split(dialect.delimiter) if bare else [])
        return
    pending: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            pending.append(line)
            yield line

    reader = csv.reader(whole_lines(noted()), delimiter=dialect.delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            below, is_open = _opening(pending, dialect.delimiter)
            what = "never closed" if is_open else "closed in the middle of it"
            raise QuoteError(
                f"{file.path}:{number + below}: a quote opens a field here and is {what}; write a"
                ' quote that is part of the text twice, in a field in quotes: """like this"" one"'
            ) from error
        yield Record(number, list(pending), [_restored(field) for field in fields])
        number += len(pending)
        pending.clear()


def _opening(lines: Sequence[str], delimiter: str) -> tuple[int, bool]:
    """Line, from 0, of the quote in a row that cannot be read, and whether it is never closed."""
    text = "".join(lines)
    place, is_open = 0, False
    while place < len(text):
        quoted = _QUOTED.match(text, place)
        if quoted is None:
            ends = (text.find(end, place) for end in (delimiter, "\n", "\r"))
            place = min((end for end in ends if end >= 0), default=len(text)) + 1
            continue
        is_open = quoted["close"] == ""
        if is_open or text[quoted.end() : quoted.end() + 1] not in (delimiter, "\n", "\r", ""):
            break
        place = quoted.end() + 1
    read = 0
    for number, line in enumerate(lines):
        read += len(line)
        if place < read:
            return number, is_open
    return 0, is_open


def whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines without an end of line inside them."""
    for line in lines:
        body = line.rstrip("\r\n")
        if "\r" in body or "\n" in body:
            end = line[len(body) :]
            yield body.replace("\r", _RETURN).replace("\n", _FEED) + end
        else:
            yield line


def _restored(field: str) -> str:
    return field.replace(_RETURN, "\r").replace(_FEED, "\n")


def ragged(file: TextFile, dialect: Dialect, n_fields: int, record: Record) -> DataError:
    """What to say of a row that has another number of fields than the header."""
    return DataError(
        f"{file.path}:{record.line}: expected {n_fields} fields, got {len(record.fields)}; a field"
        f" with {delimiter_name(dialect.delimiter)} needs quotes"
    )


def delimiter_name(delimiter: str) -> str:
    """A delimiter in words."""
    return DELIMITERS.get(delimiter, repr(delimiter))

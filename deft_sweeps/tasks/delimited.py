"""A csv or tsv file, read in the dialect that `dialect_settling` settles. Loads no torch."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deft_sweeps.tasks.delimited_row import Dialect, delimiter_name, ragged, records
from deft_sweeps.tasks.dialect_settling import read_header, settle, sniff
from deft_sweeps.tasks.json_rows import require
from deft_sweeps.tasks.text_file import TextFile
from deft_sweeps.units import count

# The csv module's own limit is 128 KiB a field, which a long document passes.
_MAX_FIELD_CHARACTERS = 2**26

_NO_HEADER = "; line 1 has to name the columns: if it is a row, write a header above it"


@dataclass(frozen=True, slots=True)
class DelimitedFile:
    """A file whose dialect is settled.

    Attributes:
        header: names of its columns.
        notes: of how it is read, where that is not as its name says.
    """

    file: TextFile
    dialect: Dialect
    header: list[str]
    notes: tuple[str, ...]

    def columns(self) -> list[str]:
        """Names of the columns."""
        return self.header

    def rows(self, columns: Sequence[str]) -> Iterator[list[str]]:
        """The values of some columns, row by row, as text."""
        require(self.file.path, columns, self.header, _NO_HEADER)
        places = [self.header.index(column) for column in columns]
        rows = records(self.file, self.dialect)
        next(rows, None)
        for record in rows:
            if not record.fields:
                continue
            if len(record.fields) != len(self.header):  # The file has changed meanwhile.
                raise ragged(self.file, self.dialect, len(self.header), record)
            yield [record.fields[place] for place in places]


def open_delimited(file: TextFile, own: str) -> DelimitedFile:
    """Settles how a file is read, by looking at all of it.

    Args:
        file: to look at.
        own: the delimiter that its ending means.

    Raises:
        DataError: it can be read neither with quotes nor without, or the header is wrong.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    dialect = sniff(file, own)
    header = read_header(file, dialect)
    notes = [*file.notes]
    if not dialect.is_own or dialect.n_skipped:
        notes.append(f"fields are separated by {delimiter_name(dialect.delimiter)}")
    dialect, note, n_blank = settle(file, dialect, header)
    notes += [note] if note else []
    if n_blank:
        notes.append(f"{count(n_blank, 'blank line is', 'blank lines are')} left out")
    return DelimitedFile(file, dialect, header, tuple(notes))

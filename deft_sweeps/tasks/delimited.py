"""Rows of a csv or tsv file: which delimiter it has, and whether quotes mean anything in it. Loads
no torch.

Delimiter
    A first line `sep=;`, as Excel writes it, names it. Otherwise it is the first of the ending's
    own (a comma or a tab), `,`, `;`, tab and `|` that gives the first 200 lines as many fields as
    the header, two at least; if none does, the first that the header has.

Quotes
    The file is read with quotes, as RFC 4180 has them: a quote at the beginning of a field opens
    it, and the field may go on over several lines. Read so, each row must have as many fields as
    the header, and no field may swallow rows. Otherwise the file is read without quotes, a row for
    each line, if then every line has the header's fields: so GLUE's own files are. Else it is
    refused, with the line. A header in quotes means quotes in any case.

Swallowed rows
    A row of several lines has swallowed rows if four of five of its lines alone have the header's
    fields and, in some column whose values come back, hold such values. Without such a column it
    has if the file fits without quotes too, or from ten lines on; in a tsv file that fits without
    quotes, always.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from deft_sweeps.errors import DataError
from deft_sweeps.tasks.json_rows import require
from deft_sweeps.tasks.text_file import TextFile

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}

# The csv module's own limit is 128 KiB a field, which a long document passes.
_MAX_FIELD_CHARACTERS = 2**26
_N_SNIFFED_LINES = 200
_MANY_LINES = 10
_ROW_SHARE = 0.8
_MAX_REPEATING = 1_000
"""A column with more values than this is none of classes or groups."""

_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*(?P<close>"?)')

# The end of a line inside one, for the csv module, which would end the row there. Decoded text has
# no surrogates.
_RETURN, _FEED = "\udc0d", "\udc0a"


_NO_HEADER = "; line 1 has to name the columns: if it is a row, write a header above it"


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
        records = _records(self.file, self.dialect)
        next(records, None)
        for record in records:
            if not record.fields:
                continue
            if len(record.fields) != len(self.header):  # The file has changed meanwhile.
                raise _ragged(self.file, self.dialect, len(self.header), record)
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
    dialect = _sniff(file, own)
    header = _header(file, dialect)
    notes = [*file.notes]
    if not dialect.is_own or dialect.n_skipped:
        notes.append(f"fields are separated by {_named(dialect.delimiter)}")
    dialect, note, n_blank = _settle(file, dialect, header)
    notes += [note] if note else []
    if n_blank:
        notes.append(f"{n_blank} blank lines are left out")
    return DelimitedFile(file, dialect, header, tuple(notes))


def _sniff(file: TextFile, own: str) -> Dialect:
    lines = list(islice(file.lines(), _N_SNIFFED_LINES))
    if (
        lines
        and lines[0].lower().startswith("sep=")
        and len(lines[0].strip("\r\n")) == len("sep=,")
    ):
        delimiter = lines[0][len("sep=")]
        return Dialect(delimiter, n_skipped=1, is_own=delimiter == own)
    candidates = (own, *(one for one in DELIMITERS if one != own))
    fitting = (one for one in candidates if _fits(lines, one))
    splitting = (one for one in candidates if any(one in line for line in lines[:1]))
    delimiter = next(fitting, None) or next(splitting, own)
    return Dialect(delimiter, is_own=delimiter == own)


def _fits(lines: Sequence[str], delimiter: str) -> bool:
    """Whether the first rows have as many fields as the header, with quotes or without."""
    quoted: list[int] = []
    try:
        # The last row may go on beyond the lines.
        quoted += [len(row) for row in csv.reader(_guarded(lines), delimiter=delimiter) if row]
    except csv.Error:
        quoted = []
    if len(lines) == _N_SNIFFED_LINES:
        quoted = quoted[:-1]
    plain = [line.count(delimiter) + 1 for line in lines if line.strip("\r\n")]
    return any(len(set(n)) == 1 and n[0] > 1 for n in (quoted, plain) if n)


def _header(file: TextFile, dialect: Dialect) -> list[str]:
    """Names of the columns, in the first line.

    Raises:
        DataError: two of them are the same, or one has a space at an end.
    """
    where = f"{file.path}:{dialect.n_skipped + 1}"
    lines = islice(file.lines(), dialect.n_skipped, None)
    reader = csv.reader(_guarded(lines), delimiter=dialect.delimiter)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise DataError(f"{where}: the header cannot be read: {error}") from error
    quoted = [name for name in header if name != name.strip() and name.strip()[:1] == '"']
    if quoted:
        raise DataError(
            f"{where}: a space stands before the quotes of {', '.join(map(repr, quoted))}, so the"
            " quotes would be part of the values; write the file without spaces after the"
            " delimiter"
        )
    spaced = [name for name in header if name != name.strip()]
    if spaced:
        raise DataError(
            f"{where}: names of columns with a space at an end:"
            f" {', '.join(map(repr, spaced))}; write {', '.join(repr(n.strip()) for n in spaced)}"
        )
    twice = [name for name, n in Counter(header).items() if n > 1 and name]
    if twice:
        raise DataError(
            f"{where}: more than one column is named {', '.join(map(repr, twice))}; give each a"
            " name of its own"
        )
    return header


def _settle(file: TextFile, dialect: Dialect, header: Sequence[str]) -> tuple[Dialect, str, int]:
    """The dialect with or without quotes, what is to be said of it, and how many blank lines stand
    among the rows.

    Raises:
        DataError: neither fits.
    """
    survey = _survey(file, dialect, len(header))
    if survey.refusal is None and not survey.doubtful:
        return dialect, "", survey.n_blank
    if _first_line(file, dialect).startswith('"'):
        if survey.refusal is not None:
            raise survey.refusal
        return dialect, "", survey.n_blank
    plain = replace(dialect, is_quoted=False)
    without = _survey(file, plain, len(header))
    is_plain = without.refusal is None
    note = f"quotes are read as text, every line as a row: {without.n_rows} rows"
    if survey.refusal is not None:
        if not is_plain:
            raise survey.refusal
        return plain, note, without.n_blank
    swallowing = _swallowing(file, dialect, survey.doubtful, is_plain=is_plain)
    if swallowing is None:
        return dialect, "", survey.n_blank
    n_lines = len(swallowing.lines)
    if is_plain:
        note += f"; with quotes, {n_lines} of them from line {swallowing.line} on would be one"
        return plain, note, without.n_blank
    raise DataError(
        f"{file.path}:{swallowing.line}: a quote opens a field here, which ends {n_lines - 1} lines"
        " below, and each of these lines is a row by itself; if the quote is part of the text, put"
        ' the text in quotes and write the quote twice, """like this"" one", or save the file as'
        " jsonl"
    )


@dataclass(slots=True)
class _Survey:
    """What a file looks like in one dialect.

    Attributes:
        refusal: why it cannot be read so.
        doubtful: rows of several lines that may be rows each.
        n_rows: besides the header and blank lines.
        n_blank: lines with nothing on them, before the last row.
    """

    refusal: DataError | None = None
    doubtful: list[Record] = field(default_factory=list)
    n_rows: int = 0
    n_blank: int = 0


def _survey(file: TextFile, dialect: Dialect, n_fields: int) -> _Survey:
    survey = _Survey(n_rows=-1)
    n_blank = 0
    try:
        for record in _records(file, dialect):
            if not record.fields:
                n_blank += 1
                continue
            survey.n_rows, survey.n_blank = survey.n_rows + 1, n_blank
            if len(record.fields) != n_fields and survey.refusal is None:
                survey.refusal = _ragged(file, dialect, n_fields, record)
            if len(record.lines) > 1 and record.rows(dialect.delimiter, n_fields):
                survey.doubtful.append(record)
    except QuoteError as error:
        survey.refusal = error
    return survey


def _swallowing(
    file: TextFile, dialect: Dialect, doubtful: Sequence[Record], *, is_plain: bool
) -> Record | None:
    """The first row that seems to have swallowed others; None if its lines are a text's.

    Args:
        file: that is read.
        dialect: with quotes.
        doubtful: rows of several lines that may be rows each.
        is_plain: without quotes the file fits as well.
    """
    if is_plain and dialect.delimiter == "\t":
        return doubtful[0]
    repeating = _repeating(file, dialect)
    for record in doubtful:
        n_fields = len(record.fields)
        alone = record.rows(dialect.delimiter, n_fields)
        if repeating:
            swallows = any(
                all(_bare(one[place]) in values for one in alone)
                for place, values in repeating.items()
            )
        else:
            swallows = is_plain or len(alone) >= _MANY_LINES
        if swallows:
            return record
    return None


def _repeating(file: TextFile, dialect: Dialect) -> dict[int, set[str]]:
    """Columns whose values come back in rows of one line, with these values."""
    counts: dict[int, Counter[str]] = {}
    records = _records(file, dialect)
    next(records, None)
    n_rows = 0
    for record in records:
        if not record.fields or len(record.lines) > 1:
            continue
        if not n_rows:
            counts = {place: Counter() for place in range(len(record.fields))}
        n_rows += 1
        for place in list(counts):
            counts[place][_bare(record.fields[place])] += 1
            if len(counts[place]) > _MAX_REPEATING:
                del counts[place]
    return {
        place: {value for value, n in seen.items() if n > 1}
        for place, seen in counts.items()
        if len(seen) <= n_rows / 2
    }


def _records(file: TextFile, dialect: Dialect) -> Iterator[Record]:
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

    reader = csv.reader(_guarded(noted()), delimiter=dialect.delimiter, strict=True)
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


def _guarded(lines: Iterable[str]) -> Iterator[str]:
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


def _bare(field: str) -> str:
    return field.strip().strip('"')


def _first_line(file: TextFile, dialect: Dialect) -> str:
    return next(islice(file.lines(), dialect.n_skipped, None), "")


def _ragged(file: TextFile, dialect: Dialect, n_fields: int, record: Record) -> DataError:
    return DataError(
        f"{file.path}:{record.line}: expected {n_fields} fields, got {len(record.fields)}; a field"
        f" with {_named(dialect.delimiter)} needs quotes"
    )


def _named(delimiter: str) -> str:
    return DELIMITERS.get(delimiter, repr(delimiter))

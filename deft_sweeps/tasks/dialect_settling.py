"""Which delimiter a csv or tsv file has, and whether quotes mean anything in it: settled by looking
at all of it. Loads no torch.

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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from deft_sweeps.errors import DataError
from deft_sweeps.tasks.delimited_row import (
    DELIMITERS,
    Dialect,
    QuoteError,
    Record,
    ragged,
    records,
    whole_lines,
)
from deft_sweeps.tasks.text_file import TextFile
from deft_sweeps.units import count

_N_SNIFFED_LINES = 200
_MANY_LINES = 10
_MAX_REPEATING = 1_000
"""A column with more values than this is none of classes or groups."""


def sniff(file: TextFile, own: str) -> Dialect:
    """The delimiter of a file, by its first lines.

    Args:
        file: to look at.
        own: the delimiter that its ending means.
    """
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
        quoted += [len(row) for row in csv.reader(whole_lines(lines), delimiter=delimiter) if row]
    except csv.Error:
        quoted = []
    if len(lines) == _N_SNIFFED_LINES:
        quoted = quoted[:-1]
    plain = [line.count(delimiter) + 1 for line in lines if line.strip("\r\n")]
    return any(len(set(n)) == 1 and n[0] > 1 for n in (quoted, plain) if n)


def read_header(file: TextFile, dialect: Dialect) -> list[str]:
    """Names of the columns, in the first line.

    Raises:
        DataError: two of them are the same, or one has a space at an end.
    """
    where = f"{file.path}:{dialect.n_skipped + 1}"
    lines = islice(file.lines(), dialect.n_skipped, None)
    reader = csv.reader(whole_lines(lines), delimiter=dialect.delimiter)
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


def settle(file: TextFile, dialect: Dialect, header: Sequence[str]) -> tuple[Dialect, str, int]:
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
    note = f"quotes are read as text, every line as a row: {count(without.n_rows, 'row')}"
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
        for record in records(file, dialect):
            if not record.fields:
                n_blank += 1
                continue
            survey.n_rows, survey.n_blank = survey.n_rows + 1, n_blank
            if len(record.fields) != n_fields and survey.refusal is None:
                survey.refusal = ragged(file, dialect, n_fields, record)
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
    rows = records(file, dialect)
    next(rows, None)
    n_rows = 0
    for record in rows:
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


def _bare(field: str) -> str:
    return field.strip().strip('"')


def _first_line(file: TextFile, dialect: Dialect) -> str:
    return next(islice(file.lines(), dialect.n_skipped, None), "")

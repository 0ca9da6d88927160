"""init: a first spec for the user's own labelled file. Loads neither torch nor ray."""

import errno
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from deft_sweeps.cli.guard import refuse, say, say_next
from deft_sweeps.cli.spec_inspection import inspect
from deft_sweeps.config.data import is_text_encoding
from deft_sweeps.errors import ConfigError, DataError, Problem
from deft_sweeps.specification.column_guess import (
    ColumnGuess,
    FileTaskName,
    NamedColumns,
    guess_columns,
)
from deft_sweeps.specification.column_sample import Column
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.specification.starter import short, starter
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.tasks.location import joined
from deft_sweeps.tasks.rows import columns_of, read_rows

_N_SAMPLED_ROWS = 5_000
_MOST_SHOWN = 5


def init(
    data: Path,
    output: Path | None,
    named: NamedColumns,
    task: FileTaskName | None,
    encoding: str | None = None,
    *,
    force: bool,
) -> None:
    """Write a first spec for a labelled file, once it is one that `validate` takes."""
    file = output or Path(f"{_stem(data)}.yaml")
    _check_output(file, force=force)
    _check_named(named)
    if encoding is not None and not is_text_encoding(encoding):
        what = f"no encoding of texts is named {encoding}"
        raise ConfigError([Problem("--encoding", what, "utf-8, utf-16, latin-1 or cp1252, say")])
    columns, n_rows = sampled_columns(data, encoding)
    guess = guess_columns(str(data), columns, named, task)
    first = starter(path_from(file.parent, data), guess, columns, n_rows, encoding)
    text = first.text()
    spec = parse_spec(text, str(file), str(file.parent.resolve()))
    inspection = inspect(spec, str(data))
    if problems := inspection.problems:
        located = joined(spec.folder, first.task.source)
        refuse(
            [
                *(_of_data(problem, located, data) for problem in problems),
                f"no spec was written; it would have been {_summary(guess)}, since {guess.why}",
            ]
        )
    write_atomically(file, text.encode())
    say(
        f"{file}: {_summary(guess)}",
        f"decided by: {guess.why}",
        *_notes(guess),
        *(f"note: {note}" for note in inspection.notes),
    )
    say_next("plan", file)


def sampled_columns(path: Path, encoding: str | None = None) -> tuple[list[Column], int]:
    """The columns of a file's first rows, and how many rows it has.

    Raises:
        DataError: it cannot be read, or has fewer than two columns or no rows.
    """
    names = columns_of(path, encoding)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: several columns of one name: {', '.join(map(repr, twice))}")
    if len(names) == 1:
        raise DataError(
            f"{path}: expected at least two columns, a text and a label, got only {names[0]!r}"
        )
    rows = read_rows(path, names, encoding)
    sample = list(islice(rows, _N_SAMPLED_ROWS))
    n_rows = len(sample) + sum(1 for _ in rows)
    if not sample:
        raise DataError(f"{path}: expected a header and rows under it, got no rows")
    values = zip(*sample, strict=True)
    return [Column(name, given) for name, given in zip(names, values, strict=True)], n_rows


def path_from(folder: Path, data: Path) -> str:
    """The file's path as the YAML in a folder says it: relative, unless it is given in full."""
    if data.is_absolute() or str(data).startswith("~"):
        return str(data)
    relative = os.path.relpath(data.absolute(), folder.absolute())
    # Through a link, `..` leads elsewhere.
    is_same = (folder / relative).exists() and (folder / relative).samefile(data)
    return relative if is_same else str(data.absolute())


def _stem(data: Path) -> str:
    name = data.name.removesuffix(".gz")
    return Path(name).stem if name != data.name or not data.is_dir() else name


def _check_output(file: Path, *, force: bool) -> None:
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    if file.exists() and not force:
        remedy = "give another name with -o, or --force to overwrite it"
        raise ConfigError([Problem(str(file), "exists already", remedy)])
    if not file.parent.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))


def _check_named(named: NamedColumns) -> None:
    roles = {"--text": "text", "--pair": "second text", "--label": "label"}
    taken: dict[str, str] = {}
    for (option, role), name in zip(
        roles.items(), (named.text, named.pair, named.label), strict=True
    ):
        if name in taken:
            what = f"{name} is the column of the {taken[name]} already"
            raise ConfigError([Problem(option, what, "name another one")])
        if name is not None:
            taken[name] = role


def _of_data(problem: Problem, located: str, data: Path) -> str:
    """A problem of a spec that is not written, as one of the data."""
    what = str(data) + problem.what.removeprefix(located)
    named = what if problem.what.startswith(located) else f"{data}: {problem.what}"
    return f"{named} ({problem.remedy})" if problem.remedy else named


def _summary(guess: ColumnGuess) -> str:
    """What was chosen, and why."""
    match guess.task:
        case "qa":
            roles = (
                f"question from column {guess.text}, context from {guess.pair}, answers from"
                f" {guess.label}"
            )
        case "text":
            roles = f"text from column {guess.text}, text to write from {guess.label}"
        case _:
            second = "" if guess.pair is None else f", second text from {guess.pair}"
            roles = f"text from column {guess.text}{second}, label from {guess.label}"
    classes = ""
    if guess.classes:
        some = [short(name) for name in guess.classes[:_MOST_SHOWN]]
        more = ", ..." if len(guess.classes) > _MOST_SHOWN else ""
        classes = f" ({len(guess.classes)} classes: {', '.join(some)}{more})"
    return f"{guess.task}, {roles}{classes}"


def _notes(guess: ColumnGuess) -> Iterator[str]:
    """What else the file has, and how to take it."""
    if guess.label in guess.classes:
        yield (
            f"the first line looks like a row: its {guess.label!r} is a class too; write the names"
            " of the columns above it"
        )
    if guess.other_labels:
        yield f"other columns that can be the label: {_listed(guess.other_labels)} (--label COL)"
    if guess.other_texts:
        pair = " or --pair COL" if guess.task in ("classification", "regression") else ""
        yield f"texts left out: {_listed(guess.other_texts)} (--text COL{pair})"
    if guess.groups:
        yield (
            f"rows may belong together by {_listed(guess.groups)}: see `group` in the spec, which"
            " keeps them in one split"
        )
    others = [name for name in ("classification", "regression", "qa", "text") if name != guess.task]
    yield f"another kind of task: --task {', '.join(others[:-1])} or {others[-1]}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)

"""Everything that goes to stdout: lines, tables and JSON, without signs that steer a terminal."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from deft_sweeps.report.report_table import ReportTable, as_rich, as_text
from deft_sweeps.report.terminal_text import printable, printable_json


class OutputError(OSError):
    """Stdout takes no more: a full disk, say."""


def text(*lines: str) -> None:
    """Print lines; a line break inside one is written out."""
    for line in lines:
        _write(printable(line))


def table(table: ReportTable) -> None:
    """Print a table: coloured on a terminal, plain in a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(as_rich(table))
    else:
        _write(as_text(table))


def as_json(value: Any) -> None:
    """Print JSON."""
    json_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def json_text(document: str) -> None:
    """Print JSON that is written already; escaped where stdout cannot take its characters."""
    try:
        document.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        document = json.dumps(json.loads(document), indent=1)
    _write(printable_json(document))


def flush() -> None:
    """Have what was printed reach the reader.

    Raises:
        OutputError: it does not.
        BrokenPipeError: the reader has gone.
    """
    _checked(sys.stdout.flush)


def discard() -> None:
    """Throw away what is not printed yet: Python would try again, and complain, when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def prepare_streams() -> None:
    """Have every text be writable to stdout and stderr, also to one that the caller has closed.

    Without this, a file opened later would take the closed one's number, and what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest number that is free, which is this.
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name) or os.fdopen(number, "w", closefd=False)
        stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, stream)


def _write(lines: str) -> None:
    _checked(lambda: print(lines))


def _checked(write: Callable[[], None]) -> None:
    try:
        write()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the output: {error.strerror}") from error

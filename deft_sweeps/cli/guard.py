"""From an error to an exit code and a line on stderr: 0 done, 1 the sweep failed, 2 bad input, 130
interrupted. A process whose cluster is lost ends with 3 (`sweep/head_watch`).
"""

import errno
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

from deft_sweeps.cli import show
from deft_sweeps.errors import (
    ConfigError,
    DataError,
    DeftSweepsError,
    Problem,
    SweepError,
    TrialError,
)
from deft_sweeps.extras import missing_extra
from deft_sweeps.report.terminal_text import printable
from deft_sweeps.store.secrets import short_reason, without_secrets

P = ParamSpec("P")

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def say(*lines: str) -> None:
    """To stderr, without secrets and steering signs: what is no result, so that stdout can be
    piped.
    """
    for line in lines:
        with suppress(OSError):  # Nobody is left to be told.
            print(printable(without_secrets(line)), file=sys.stderr, flush=True)


def command_line(*arguments: object) -> str:
    """A command of this program, as it can be typed in a shell."""
    return shlex.join(["deft-sweeps", *map(str, arguments)])


def say_next(*arguments: object) -> None:
    """To stderr, the command that comes next, as it can be typed."""
    say(f"next: {command_line(*arguments)}")


def refuse(problems: Iterable[object]) -> NoReturn:
    """Say every problem and end with the code of bad input."""
    say(*(str(problem) for problem in problems))
    raise typer.Exit(BAD_INPUT)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn every error of a command, Ctrl-C and a closed pipe into an exit code and a line."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            show.flush()
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            show.discard()  # The reader has seen enough (`| head`).
        except Exception as error:  # The last place that can say what happened.
            _end(error, [path for path in (*args, *kwargs.values()) if isinstance(path, Path)])

    return run


def _end(error: Exception, named: Iterable[Path]) -> NoReturn:
    """Say what happened, and end with its exit code.

    Args:
        error: that ended the command.
        named: paths that the user named.
    """
    match error:
        case ConfigError():
            refuse(error.problems)
        case SweepError() | TrialError():
            say(f"the sweep failed: {error}")
        case DataError():
            refuse(str(error).splitlines())  # A line a reason.
        case DeftSweepsError():
            refuse([error])
        case show.OutputError():
            show.discard()
            say(str(error))
        case ImportError() if (missing := missing_extra(error)) is not None:
            refuse([missing])
        case _:
            problem = unusable_path(error, named) if isinstance(error, OSError) else None
            if problem is not None:
                refuse([problem])
            _report_fault(error)
    raise typer.Exit(FAILED)


def _report_fault(error: Exception) -> None:
    """Say in a line what nobody foresaw; its traceback goes to a file of this user's, masked."""
    lines = without_secrets("".join(traceback.format_exception(error))).splitlines()
    try:
        handle, path = tempfile.mkstemp(prefix="deft-sweeps-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join([*lines, ""]))
    except OSError:
        say(*lines)
        return
    what = "nobody foresaw this error; please report it with its traceback, which is in"
    say(f"{short_reason(error)} ({what} {path})")


def unusable_path(error: OSError, named: Iterable[Path]) -> Problem | None:
    """What is wrong with a path that the user named, where the error is about it or about a folder
    that it lies in; else None.
    """
    about = {
        Path(name).absolute()
        for name in (error.filename, error.filename2)
        if isinstance(name, str | Path)
    }
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        # What is written first is a file of another name beside it.
        about |= {path.parent for path in about}
    # Itself before what lies in it.
    for path in sorted(named, key=lambda path: path.absolute() not in about):
        whole = (path, *path.parents)
        if about.isdisjoint(part.absolute() for part in whole):
            continue
        match error:
            case FileNotFoundError():
                missing = next((part for part in reversed(whole) if not part.exists()), path)
                return Problem(
                    str(path), f"there is no {missing}", "make it first, or name another path"
                )
            case IsADirectoryError():
                return Problem(
                    str(path), "is a folder, and a file was expected", "name a file in it"
                )
            case FileExistsError() | NotADirectoryError():
                file = next((part for part in reversed(whole) if part.is_file()), path)
                return Problem(
                    str(path), f"{file} is a file, and a folder was expected", "name another path"
                )
            case _:
                return Problem(
                    str(path),
                    f"cannot be used: {error.strerror}, {error.filename2 or error.filename}",
                    "name another path",
                )
    return None

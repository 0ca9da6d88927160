"""From an error to an exit code and a line on stderr: 0 done, 1 the sweep failed, 2 bad input, 130
interrupted.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

from deft_sweeps.errors import ConfigError, DeftSweepsError, Problem, SweepError, TrialError
from deft_sweeps.store.secrets import without_secrets

P = ParamSpec("P")

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def say(*lines: str) -> None:
    """To stderr, without secrets: what is no result, so that stdout can be piped."""
    for line in lines:
        print(without_secrets(line), file=sys.stderr)


def refuse(problems: Iterable[object]) -> NoReturn:
    """Say every problem and end with the code of bad input."""
    say(*(str(problem) for problem in problems))
    raise typer.Exit(BAD_INPUT)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors of `errors.py`, of the paths that the user named, Ctrl-C and a closed pipe
    into exit codes; anything else is a bug and keeps its traceback.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except ConfigError as error:
            refuse(error.problems)
        except (SweepError, TrialError) as error:
            say(f"the sweep failed: {error}")
            raise typer.Exit(FAILED) from None
        except DeftSweepsError as error:
            refuse([error])
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader has seen enough (`| head`); Python would complain once more when it flushes
            # at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            problem = unusable_path(
                error, [path for path in (*args, *kwargs.values()) if isinstance(path, Path)]
            )
            if problem is None:
                raise
            refuse([problem])

    return run


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

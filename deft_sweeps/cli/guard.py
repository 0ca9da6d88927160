"""From an error to an exit code and a line on stderr: 0 done, 1 the sweep failed, 2 bad input, 130 interrupted."""

import os
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from deft_sweeps.errors import ConfigError, DeftSweepsError, SweepError, TrialError

P = ParamSpec("P")

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def say(*lines: str) -> None:
    """To stderr: what is no result, so that stdout can be piped."""
    for line in lines:
        print(line, file=sys.stderr)


def refuse(problems: Iterable[object]) -> NoReturn:
    """Say every problem and end with the code of bad input."""
    say(*(str(problem) for problem in problems))
    raise typer.Exit(BAD_INPUT)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors of `errors.py`, Ctrl-C and a closed pipe into exit codes; anything else is a bug and keeps its traceback."""

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
            # The reader has seen enough (`| head`); Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return run

"""The end of a script whose main function is guarded as a command is."""

import sys
from collections.abc import Callable

import typer


def run_script(main: Callable[[], None]) -> None:
    """Run it, and end the process with the exit code that it raises."""
    try:
        main()
    except typer.Exit as end:
        sys.exit(end.exit_code)

"""The command line, called in this process."""

from typer.testing import CliRunner, Result

from deft_sweeps.cli.app import app


def call(*arguments: object) -> Result:
    """Calls `deft-sweeps` with arguments; what it wrote and its exit code are the result's."""
    return CliRunner().invoke(
        app, [str(argument) for argument in arguments], prog_name="deft-sweeps"
    )

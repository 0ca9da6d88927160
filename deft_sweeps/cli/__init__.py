"""The command line. Commands import what they need when they run, so that --help starts at once."""

from deft_sweeps.cli.app import main

__all__ = ["main"]

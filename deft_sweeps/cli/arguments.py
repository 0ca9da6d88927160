"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

PolicyText = Annotated[
    str | None,
    typer.Option(
        "--policy",
        metavar="POLICY",
        help="`best METRIC where LIMIT and ...`, or `knee`; the sweep's own else.",
    ),
]
SpecFile = Annotated[Path, typer.Argument(metavar="FILE", help="A sweep's YAML.")]
SweepFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A sweep's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

"""The commands about a cluster's machines; `app` has the others."""

from pathlib import Path
from typing import Annotated

import typer

from deft_sweeps.cli.arguments import AsJson
from deft_sweeps.cli.guard import guarded
from deft_sweeps.extras import require

app = typer.Typer()


@app.command(
    epilog=(
        "Example: deft-sweeps doctor search_spaces/quickstart.yaml --out /shared/runs/first"
        " --ray-address HEAD:6379"
    )
)
@guarded
def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A sweep's YAML, or the folder of one; without it, any trial."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder that the nodes must share."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address", metavar="HOST:PORT", help="Of a Ray cluster; this machine else."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every machine before a sweep does: a line a node.

    Versions of the packages, the shared folder, the clock, /dev/shm, and how many trials fit.
    Exits with 2 if a node fails or no trial fits; trains nothing.
    """
    require("sweep")
    from deft_sweeps.cli.doctor import doctor as check_machines

    check_machines(file, out, ray_address=ray_address, as_json=as_json)

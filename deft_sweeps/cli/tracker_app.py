"""The commands about the tracker; `app` has the others."""

from pathlib import Path
from typing import Annotated

import typer

from deft_sweeps.cli.guard import guarded
from deft_sweeps.extras import require

app = typer.Typer()


@app.command(
    "recover-spec",
    epilog=(
        "Example: deft-sweeps recover-spec quickstart --tracking-uri http://tracker:5000"
        " -o again.yaml"
    ),
)
@guarded
def recover_spec(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the sweep, in its YAML.")],
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI", help="Of the MLflow server; MLFLOW_TRACKING_URI where not given."
        ),
    ] = None,
    sweep_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="Which of several sweeps of this name.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; stdout else."),
    ] = None,
) -> None:
    """Write a sweep's YAML again from MLflow alone.

    For a sweep whose folder is lost. Secrets in it are replaced by ***; put yours in their place.
    """
    require("sweep")
    from deft_sweeps.cli.recovery import recover

    recover(name, tracking_uri, sweep_id, output)

"""The commands about a cluster's machines; `app` has the others."""

from pathlib import Path
from typing import Annotated

import typer

from deft_sweeps.cli.arguments import AsJson
from deft_sweeps.cli.guard import guarded
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.extras import require

app = typer.Typer()


@app.command(
    epilog=(
        "Example: deft-sweeps doctor search_spaces/quickstart.yaml --out /shared/runs/first"
        " --ray-address HEAD:6379, or of a folder: deft-sweeps doctor runs/first --fix"
    )
)
@guarded
def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A sweep's YAML, or its folder; without it, any trial."
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
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended in a sweep's folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every machine, or a sweep's folder.

    Of a YAML, or with --ray-address, a line a node: versions of the packages, the shared folder,
    the clock, /dev/shm, and how many trials fit.

    Of a folder, a line a check: whether results, weights, records, Optuna's study and MLflow agree.
    --fix mends what it can, and deletes no result.

    Exits with 2 if something is wrong; trains nothing.
    """
    is_folder = file is not None and file.is_dir()
    if file is not None and is_folder and out is None and ray_address is None:
        from deft_sweeps.cli.folder_doctor import doctor as check_folder

        check_folder(file, fix=fix, as_json=as_json)
        return
    if fix:
        what = "mends a sweep's folder, and none is named alone"
        raise ConfigError([Problem("--fix", what, "deft-sweeps doctor DIR --fix")])
    require("sweep")
    from deft_sweeps.cli.doctor import doctor as check_machines

    check_machines(file, out, ray_address=ray_address, as_json=as_json)

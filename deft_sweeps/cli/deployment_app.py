"""The commands from a finished sweep to a served model; `app` has the others."""

from pathlib import Path
from typing import Annotated

import typer

from deft_sweeps.cli.arguments import AsJson, PolicyText, SweepFolder
from deft_sweeps.cli.guard import guarded
from deft_sweeps.extras import require

app = typer.Typer()

BundleFolder = Annotated[Path, typer.Argument(metavar="OUT", help="A bundle's folder.")]
Alias = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Move this alias to the new version; none where not given."),
]
TrackingUri = Annotated[
    str | None, typer.Option(metavar="URI", help="Of the MLflow server; MLFLOW_TRACKING_URI else.")
]


@app.command(
    epilog="Example: deft-sweeps export runs/quickstart bundle --target onnx, then: bench bundle"
)
@guarded
def export(
    folder: SweepFolder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for the bundle.")],
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="NAME",
            help="Format besides hf: onnx, onnx-int8, ct2, ct2-int8; repeatable.",
        ),
    ] = None,
    policy: PolicyText = None,
    trial: Annotated[
        str | None, typer.Option(metavar="ID", help="Exports this trial, whatever was chosen.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="T", help="Of --trial; the search's own where not given."),
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option(metavar="P", help="Of --trial, in place of a threshold: 0.5 for `p0.5`."),
    ] = None,
    register: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Also add it to this model of MLflow's registry; see register."
        ),
    ] = None,
    alias: Alias = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Export the chosen configuration as a bundle that others serve.

    OUT appears whole or not at all: the model for transformers, the trained weights, and
    deployment.yaml, which says what it is, how it was measured, and what each format leaves out.
    """
    from deft_sweeps.cli import deployment, registration

    if register is None and (alias or tracking_uri):
        raise typer.BadParameter("--alias and --tracking-uri go with it", param_hint="--register")
    deployment.export(
        folder,
        out,
        target or [],
        policy=policy,
        trial=trial,
        threshold=threshold,
        percentile=percentile,
        as_json=as_json,
    )
    if register is not None:
        registration.register(out, register, alias=alias, tracking_uri=tracking_uri)


@app.command(epilog="Example: deft-sweeps bench bundle --runtime torch --runtime onnx")
@guarded
def bench(
    folder: BundleFolder,
    runtime: Annotated[
        list[str] | None,
        typer.Option("--runtime", metavar="NAME", help="Repeatable; all of the bundle's else."),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(metavar="N", help="The first N of the test split; all where not given."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Of each runtime; every core where not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a bundle's runtimes, each alone, on its test examples.

    Score and its difference from the trial's own, drift of the scores, bytes, memory, latency and
    throughput. The readings go into deployment.yaml; a runtime that drifts is not served.
    """
    from deft_sweeps.cli import deployment

    deployment.bench(folder, runtime or [], n_examples=examples, n_threads=threads, as_json=as_json)


@app.command(epilog="Example: deft-sweeps serve bundle --port 8080")
@guarded
def serve(
    folder: BundleFolder,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Of this machine; the default serves it alone.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")
    ] = 8000,
    runtime: Annotated[
        str,
        typer.Option(metavar="NAME", help="One that the bundle has; auto takes the trial's own."),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of the runtime; every core where not given."),
    ] = None,
) -> None:
    """Answer a bundle's model over HTTP until Ctrl-C or SIGTERM.

    POST /invocations {"inputs": [...]} gives {"predictions": [...]}, GET /model says what is
    served, GET /ping whether it is ready. Requests carry a token, which is in a file of yours or in
    DEFT_SWEEPS_SERVE_TOKEN. What runs is finished first; the exit code is then 0.
    """
    require("serve")
    from deft_sweeps.cli import serving

    serving.serve(folder, host=host, port=port, runtime=runtime, n_threads=threads)


@app.command(
    epilog=(
        "Example: deft-sweeps register bundle film-reviews --alias candidate --tracking-uri"
        " http://127.0.0.1:5000"
    )
)
@guarded
def register(
    folder: BundleFolder,
    name: Annotated[str, typer.Argument(metavar="MODEL", help="In MLflow's registry.")],
    alias: Alias = None,
    tracking_uri: TrackingUri = None,
    runtime: Annotated[
        str, typer.Option(metavar="NAME", help="That the registered model answers with.")
    ] = "auto",
) -> None:
    """Add a bundle to MLflow's model registry as a new version.

    It is logged from code, with signature, example and pinned requirements, and holds no pickle.
    Its tags say what the sweep said of it.
    """
    require("serve")
    from deft_sweeps.cli import registration

    registration.register(folder, name, alias=alias, tracking_uri=tracking_uri, runtime=runtime)

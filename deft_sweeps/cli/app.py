"""The commands' names, arguments and help; what they do is in the modules beside this one."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deft_sweeps.cli.arguments import AsJson, PolicyText, SweepFolder
from deft_sweeps.cli.cluster_app import app as cluster_app
from deft_sweeps.cli.deployment_app import app as deployment_app
from deft_sweeps.cli.guard import guarded
from deft_sweeps.cli.tracker_app import app as tracker_app
from deft_sweeps.extras import require

app = typer.Typer(
    help="Find which combination of PEFT method, density loss, quantization and pruning to ship.",
    epilog=(
        "Start with: deft-sweeps init data.csv, or deft-sweeps run search_spaces/quickstart.yaml"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"deft-sweeps {version('deft-sweeps')}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    del version


@app.command(
    epilog="Example: deft-sweeps init reviews.csv -o reviews.yaml --text review --label sentiment"
)
@guarded
def init(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Your labelled csv, tsv, jsonl or parquet file.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write; DATA's name with .yaml."
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="COL", help="Column with the text, or the question; guessed where not given."
        ),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column with a second text, or the context of qa."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COL", help="Column with the label, the answers, or the text to write."
        ),
    ] = None,
    task: Annotated[
        Literal["classification", "regression", "qa", "text"] | None,
        typer.Option(help="Kind of task; guessed where not given."),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a text file, where it is not UTF-8: latin-1, say."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
) -> None:
    """Write a commented sweep for your own labelled file."""
    require("sweep")
    from deft_sweeps.cli.init import init as write_first_spec
    from deft_sweeps.specification.column_guess import NamedColumns

    write_first_spec(data, output, NamedColumns(text, pair, label), task, encoding, force=force)


@app.command(epilog="Example: deft-sweeps validate search_spaces/*.yaml")
@guarded
def validate(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Sweeps' YAML.")
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the YAML's JSON schema, for editors, and exit.")
    ] = False,
) -> None:
    """Check sweeps, their models and their data.

    Reports every problem at once; starts nothing.
    """
    from deft_sweeps.cli import specs

    if schema:
        specs.print_schema()
    else:
        require("sweep")
        specs.validate(files or [])


@app.command(epilog="Example: deft-sweeps data search_spaces/quickstart.yaml")
@guarded
def data(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sweep's YAML.")],
    as_json: AsJson = False,
) -> None:
    """Look at the examples before anything is trained.

    Rows, classes, repeated and contradictory texts, lengths in tokens, unknown tokens.

    Reads the data as training does; starts nothing.
    """
    require("sweep")
    from deft_sweeps.cli import data_command as look

    look.data(file, as_json=as_json)


@app.command(
    epilog=(
        "Example: deft-sweeps plan search_spaces/quickstart.yaml --nodes"
        " '4x(8 cpu, 64GiB), 2x(16 cpu, 128GiB, 1 gpu 40GiB)'"
    )
)
@guarded
def plan(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A sweep's YAML.")] = None,
    combinations: Annotated[
        bool,
        typer.Option(
            "--combinations",
            help=(
                "Show which members of the axes go together, which of these export to which"
                " target, and why others do not; all without FILE."
            ),
        ),
    ] = False,
    nodes: Annotated[
        str | None,
        typer.Option(
            "--nodes",
            metavar="MACHINES",
            help="How the sweep would run on these: a count, and CPUs, memory and GPUs of one.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what would run, and its projected memory and time.

    Also what is excluded, and why; starts nothing.
    """
    from deft_sweeps.cli import combinations as table
    from deft_sweeps.cli import specs

    if combinations:
        table.combinations(file, as_json=as_json)
    elif file is None:
        raise typer.BadParameter("missing; only --combinations goes without it", param_hint="FILE")
    else:
        require("sweep")
        specs.plan(file, nodes=nodes, as_json=as_json)


@app.command(
    epilog=(
        "Example: deft-sweeps run search_spaces/quickstart.yaml --out runs/first, and after Ctrl-C:"
        " deft-sweeps run runs/first --resume"
    )
)
@guarded
def run(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A sweep's YAML, or the folder of one that has run."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="The sweep's folder; runs/<name> where not given."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a sweep that was cut off.")
    ] = False,
    more: Annotated[
        int, typer.Option("--more", min=0, metavar="N", help="Add N trials to the sweep.")
    ] = 0,
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a Ray cluster; a local one is started else."),
    ] = None,
    warm_start: Annotated[
        list[Path] | None,
        typer.Option(
            "--warm-start",
            metavar="DIR",
            help="An earlier sweep's folder whose results are used; repeatable.",
        ),
    ] = None,
) -> None:
    """Run a sweep, go on with one, or add trials to one.

    Trains and evaluates the trials, draws the front, chooses, and measures the choice on the test
    split.

    A FILE with several sweeps, set apart by lines of ---, runs them one after the other, each in
    DIR/<name> with a report of its own; `run DIR --resume` goes on with all of them, `run
    DIR/<name>` with one.
    """
    require("sweep")
    from deft_sweeps.cli import sweeps

    sweeps.run(
        file, out, resume=resume, more=more, ray_address=ray_address, warm_start=warm_start or []
    )


@app.command(epilog="Example: deft-sweeps status runs/quickstart")
@guarded
def status(folder: SweepFolder, as_json: AsJson = False) -> None:
    """Show how far a sweep is and its front so far."""
    from deft_sweeps.cli import results

    results.status(folder, as_json=as_json)


@app.command(epilog="Example: deft-sweeps report runs/quickstart --front-only --json > front.json")
@guarded
def report(
    folder: SweepFolder,
    front_only: Annotated[
        bool, typer.Option("--front-only", help="Print the front and write no page.")
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="SVG", help="Also write the picture of the front to this file."),
    ] = None,
    policy: PolicyText = None,
    as_json: AsJson = False,
) -> None:
    """Write a sweep's report.html and print its front.

    With --policy the page is of that policy, in a folder of its own.
    """
    from deft_sweeps.cli import results

    results.report(folder, policy, front_only=front_only, figure=figure, as_json=as_json)


@app.command(
    epilog=(
        'Example: deft-sweeps choose runs/quickstart --policy "best activation_density where surely'
        ' score >= baseline(peft) - 0.02"'
    )
)
@guarded
def choose(
    folder: SweepFolder,
    policy: PolicyText = None,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure the choice on the test split, each part alone."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Name the configuration to ship, and why.

    Also why the others lost. Exits with 1 where none keeps every limit.
    """
    from deft_sweeps.cli import results

    if measure:
        results.measure(folder, policy)
    results.choose(folder, policy, as_json=as_json)


@app.command(epilog="Example: deft-sweeps compare runs/tpe runs/random --json")
@guarded
def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR DIR...", help="Sweeps' folders, of the same task and objectives."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Put the fronts of several sweeps side by side.

    Their hypervolumes under one reference point, the joint front, and the scores at equal density.
    """
    from deft_sweeps.cli.compare import compare as compare_sweeps

    compare_sweeps(folders, as_json=as_json)


app.add_typer(cluster_app)
app.add_typer(deployment_app)
app.add_typer(tracker_app)


def main() -> None:
    """Entry point of the console script."""
    from deft_sweeps.cli.show import prepare_streams

    prepare_streams()
    app(prog_name="deft-sweeps")

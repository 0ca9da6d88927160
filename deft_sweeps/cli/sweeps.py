"""run: from a spec, or a folder that holds one, to a sweep that has run."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deft_sweeps.cli import show
from deft_sweeps.cli.data_command import keep_profile
from deft_sweeps.cli.guard import FAILED, INTERRUPTED, refuse, say
from deft_sweeps.cli.parts import run_several, several
from deft_sweeps.cli.results import print_choice
from deft_sweeps.cli.spec_inspection import inspect
from deft_sweeps.cli.spec_paths import path_notes, unusable_warm_start
from deft_sweeps.errors import ConfigError, Problem, StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.report.front_tables import finals_table, front_table
from deft_sweeps.report.report_text import projection_told
from deft_sweeps.report.trial_tables import equal_density_table
from deft_sweeps.specification.compute_dtype import slow_dtype
from deft_sweeps.specification.sampler_choice import choose_sampler
from deft_sweeps.specification.sweep_file import SweepPart, load_parts
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sources import unusable_sources
from deft_sweeps.store.spec_origin import spec_folder, write_origin
from deft_sweeps.store.sweep_dir import SweepDir

if TYPE_CHECKING:
    from deft_sweeps.sweep.runner import Outcome


def run(
    file: Path,
    out: Path | None,
    *,
    resume: bool,
    more: int,
    ray_address: str | None,
    warm_start: Sequence[Path] = (),
) -> None:
    """Run the sweeps of a spec, or go on with those of a folder."""
    jobs = several(file, out, more=more)
    if jobs:
        if warm_start:
            refuse(
                [
                    Problem(
                        str(file),
                        "--warm-start is of one sweep; the file has several",
                        "put `warm_start` under `search` of a part",
                    )
                ]
            )
        with _attached([job.part.spec for job in jobs], jobs[0].sweep.root, ray_address):
            run_several(file, out, jobs, resume=resume, ray_address=ray_address, run_one=_run_one)
        return
    part, sweep = _prepare(file, out, resume=resume, more=more)
    with _attached([part.spec], sweep.root, ray_address):
        inspection = inspect(part.spec, part.where, part.document)
        if inspection.problems:
            refuse(inspection.problems)
        say(*(f"note: {note}" for note in inspection.notes))
        if not sweep.spec_path.exists():
            sweep.write_spec(file.read_bytes())
        keep_profile(part.spec, sweep, inspection.examination)
        say(*(f"note: {note}" for note in path_notes(part.spec)))
        _run_one(
            part.spec,
            sweep,
            resume=resume,
            more=more,
            ray_address=ray_address,
            warm_start=warm_start,
        )


def _attached(
    specs: Sequence[SweepSpec], folder: Path, ray_address: str | None
) -> AbstractContextManager[None]:
    """A cluster that can run the trials, before data and models take their time.

    A local Ray is started later.
    """
    if ray_address is None:
        return nullcontext()
    from deft_sweeps.sweep.ready_cluster import ready_cluster

    return ready_cluster(specs, folder, ray_address)


def _run_one(
    spec: SweepSpec,
    sweep: SweepDir,
    *,
    resume: bool,
    more: int,
    ray_address: str | None,
    warm_start: Sequence[Path] = (),
) -> None:
    """A sweep whose spec lies in its folder, to its end or to the exit code that says what came
    instead.
    """
    sweep.protect_spec()
    write_origin(sweep, spec.folder)
    spec = _with_search(as_begun(spec, sweep), sweep, [str(folder) for folder in warm_start])
    if slow := slow_dtype(spec.dtype, on_gpu=spec.budget.gpu_share > 0):
        say(f"warning: {slow}")
    again = f"deft-sweeps run {sweep.root} --resume"
    try:
        outcome = _session(spec, sweep, resume=resume, more=more, ray_address=ray_address)
    except KeyboardInterrupt:
        say(f"interrupted; what is finished is kept. Go on with: {again}")
        raise typer.Exit(INTERRUPTED) from None
    if outcome.interrupted:
        say(
            f"interrupted after {outcome.n_complete + outcome.n_failed + outcome.n_stopped} trials,"
            f" which are kept. Go on with: {again}"
        )
        raise typer.Exit(INTERRUPTED)
    if outcome.n_complete == 0:
        say(
            f"the sweep failed: none of its {outcome.n_failed} trials completed; `deft-sweeps"
            f" report {sweep.root}` says why"
        )
        raise typer.Exit(FAILED)
    _conclude(spec, sweep)


def _prepare(
    file: Path, out: Path | None, *, resume: bool, more: int
) -> tuple[SweepPart, SweepDir]:
    """The one sweep to run and the folder to run it in.

    Raises:
        ConfigError: the spec is wrong, or not the one that the folder has run.
        StoreError: the folder has results, and neither `resume` nor `more` says what to do with
            them.
    """
    if file.is_dir():
        if out is not None:
            raise ConfigError(
                [
                    Problem(
                        "--out",
                        f"{file} is a sweep's folder already",
                        "leave --out away, or give a YAML",
                    )
                ]
            )
        sweep = SweepDir(file).require()
        (part,) = load_parts(sweep.spec_path, spec_folder(sweep.spec_path))
    else:
        (part,) = load_parts(file, spec_folder(file))
        sweep = SweepDir(out or Path("runs") / part.spec.name)
    if sweep.has_results() and not (resume or more):
        raise StoreError(
            f"{sweep.root} holds results already: --resume goes on with it, --more N adds trials,"
            " --out DIR takes another folder"
        )
    if (
        sweep.spec_path.exists()
        and not file.is_dir()
        and file.read_bytes() != sweep.spec_path.read_bytes()
    ):
        if sweep.has_results() or sweep.note() is not None:
            what = f"is not the spec that {sweep.root} has run"
            raise ConfigError(
                [
                    Problem(
                        str(file),
                        what,
                        f"go on with `deft-sweeps run {sweep.root}`, or take another folder with"
                        " --out DIR",
                    )
                ]
            )
        sweep.write_spec(file.read_bytes())
    return part, sweep


def as_begun(spec: SweepSpec, sweep: SweepDir) -> SweepSpec:
    """The spec in the dtype of the trials that its folder holds: where it says `auto`, another
    machine may have begun.
    """
    begun = sweep.any_result()
    return spec if begun is None else spec.with_dtype(begun.config.dtype)


def _with_search(spec: SweepSpec, sweep: SweepDir, folders: Sequence[str]) -> SweepSpec:
    """The spec with `folders` to start from besides its own.

    They and the database of the study's mirror are checked before anything is started.

    Raises:
        ConfigError: a folder is no sweep's.
        StoreError: the storage cannot be used.
    """
    from deft_sweeps.search.warm_start import taken
    from deft_sweeps.study.storage import check_reachable

    # Those may be gone by now: what they gave is in the sweep's folder.
    used_folders = {given.folder for given in taken(sweep)}
    earlier, given = (
        [folder for folder in named if str(Path(folder).resolve()) not in used_folders]
        for named in (spec.search.warm_start, folders)
    )
    problems = unusable_warm_start(earlier, spec, "search.warm_start")
    problems += unusable_sources(given, "--warm-start")
    if problems:
        raise ConfigError(problems)
    check_reachable(spec, sweep)
    say(choose_sampler(spec).describe(spec.search_limits, spec.later_limits))
    return replace(
        spec,
        search=replace(
            spec.search, warm_start=tuple(dict.fromkeys((*spec.search.warm_start, *folders)))
        ),
    )


def _session(
    spec: SweepSpec, sweep: SweepDir, *, resume: bool, more: int, ray_address: str | None
) -> "Outcome":
    """The sweep itself; its progress goes to stderr, live on a terminal and in lines elsewhere."""
    from rich.console import Console

    from deft_sweeps.sweep import session
    from deft_sweeps.sweep.progress import LineView, LiveView

    with LiveView(Console(stderr=True)) if sys.stderr.isatty() else LineView(sys.stderr) as view:
        return session.run(
            spec, sweep, view=view, say=say, resume=resume, more=more, ray_address=ray_address
        )


def _conclude(spec: SweepSpec, sweep: SweepDir) -> None:
    """Print the front, the choice, what the density loss buys it, the test measurements, and the
    page's place.
    """
    findings = Findings.read(spec, sweep)
    show.table(front_table(findings.front, findings.choice, findings.membership))
    print_choice(findings, sweep)
    chosen = findings.choice.member
    gains = [
        g
        for g in findings.equal_density_gains
        if chosen and g.deft.trial_id == chosen.result.trial_id
    ]
    if gains:
        show.text("")
        show.table(equal_density_table(gains, findings.seed_spread))
    if findings.every_final:
        show.text("")
        show.table(finals_table(findings.every_final, findings.seed_spread))
    show.text(projection_told(findings.projection))
    show.text(f"report: {sweep.report_path}")

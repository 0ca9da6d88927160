"""run of a file with several sweeps: one after the other, each in a folder of its own below the
file's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import typer

from deft_sweeps.cli.data_command import keep_profile
from deft_sweeps.cli.guard import FAILED, INTERRUPTED, refuse, say
from deft_sweeps.cli.spec_inspection import inspect
from deft_sweeps.errors import ConfigError, Problem, StoreError, SweepError
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.spec_text import read_text
from deft_sweeps.specification.sweep_file import SweepPart, load_parts
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.specification.yaml_document import read_all
from deft_sweeps.store.spec_origin import spec_folder, write_origin
from deft_sweeps.store.sweep_dir import SweepDir


class RunOne(Protocol):
    """Runs a sweep whose spec lies in its folder; raises typer.Exit where it does not come to its
    end.
    """

    def __call__(
        self, spec: SweepSpec, sweep: SweepDir, *, resume: bool, more: int, ray_address: str | None
    ) -> None:
        """Run one of the sweeps to its end, or to an exit code."""


@dataclass(frozen=True, slots=True)
class Job:
    """One of the sweeps and the folder that it runs in."""

    part: SweepPart
    sweep: SweepDir


def several(file: Path, out: Path | None, *, more: int) -> tuple[Job, ...]:
    """The sweeps of a file, or of a folder that such a file has run in; empty where it holds only
    one.

    Raises:
        ConfigError: one of them is wrong, or an option is given that only one sweep can take.
    """
    path = SweepDir(file).require().spec_path if file.is_dir() else file
    if len(read_all(read_text(path), str(path))) == 1:
        return ()
    parts = load_parts(path, spec_folder(path))
    root = _root(file, out)
    if more:
        refusal = f"{path} holds {len(parts)} sweeps, and trials are added to one"
        raise ConfigError(
            [
                Problem(
                    "--more",
                    refusal,
                    f"deft-sweeps run {root / parts[0].spec.name} --more {more}, say",
                )
            ]
        )
    if file.is_dir() and out is not None:
        raise ConfigError(
            [
                Problem(
                    "--out",
                    f"{file} is a folder of sweeps already",
                    "leave --out away, or give a YAML",
                )
            ]
        )
    return tuple(Job(part, SweepDir(root / part.spec.name)) for part in parts)


def run_several(
    file: Path,
    out: Path | None,
    jobs: Sequence[Job],
    *,
    resume: bool,
    ray_address: str | None,
    run_one: RunOne,
) -> None:
    """Run them in their order; one that fails does not keep the next from running.

    Raises:
        StoreError: a folder has results of a sweep, and `resume` is not given. typer.Exit: 130
            where the user interrupted, 1 where a sweep failed, 2 where a model or the data cannot
            be used.
    """
    inspections = [inspect(job.part.spec, job.part.where, job.part.document) for job in jobs]
    problems = [problem for inspection in inspections for problem in inspection.problems]
    if problems:
        refuse(problems)
    notes = [note for inspection in inspections for note in inspection.notes]
    say(*(f"note: {note}" for note in dict.fromkeys(notes)))
    root = _root(file, out)
    for job in jobs:
        _look_at(job, root, resume=resume)
    if not file.is_dir():
        SweepDir(root).write_spec(file.read_bytes())
    SweepDir(root).protect_spec()
    write_origin(SweepDir(root), jobs[0].part.spec.folder)
    from deft_sweeps.sweep.local_ray import ray_session

    failed = []
    # One Ray for all, in which each sweep looks for what its own trials ask for.
    with ray_session(Budget(trials=1), address=ray_address):
        for number, (job, inspection) in enumerate(zip(jobs, inspections, strict=True), 1):
            say(f"{number} of {len(jobs)}: {job.part.spec.name}, in {job.sweep.root}")
            if not job.sweep.spec_path.exists():
                job.sweep.write_spec(job.part.text.encode())
            keep_profile(job.part.spec, job.sweep, inspection.examination)
            try:
                run_one(job.part.spec, job.sweep, resume=resume, more=0, ray_address=ray_address)
            except SweepError as error:
                say(f"{job.part.spec.name} failed: {error}")
                failed.append(job.part.spec.name)
            except typer.Exit as end:
                if end.exit_code == INTERRUPTED:
                    say(f"go on with all: deft-sweeps run {root} --resume")
                    raise
                failed.append(job.part.spec.name)
    if failed:
        say(
            f"{len(failed)} of {len(jobs)} sweeps failed: {', '.join(failed)}. Go on with:"
            f" deft-sweeps run {root} --resume"
        )
        raise typer.Exit(FAILED)


def _look_at(job: Job, root: Path, *, resume: bool) -> None:
    """Refuse a folder that has run something else, or that has results which nobody says to go on
    with.
    """
    sweep = job.sweep
    if not sweep.spec_path.exists():
        return
    if sweep.spec_path.read_text(encoding="utf-8") != job.part.text:
        if sweep.results() or sweep.note() is not None:
            what = f"is not the spec that {sweep.root} has run"
            raise ConfigError([Problem(job.part.where, what, "take another folder with --out DIR")])
        sweep.spec_path.unlink()
    elif sweep.results() and not resume:
        raise StoreError(
            f"{sweep.root} holds results already: --resume goes on with all sweeps of {root}, --out"
            " DIR takes another folder"
        )


def _root(file: Path, out: Path | None) -> Path:
    return file if file.is_dir() else out or Path("runs") / file.stem

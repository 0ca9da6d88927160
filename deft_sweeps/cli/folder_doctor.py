"""doctor of a sweep's folder: a line a check, and what --fix mends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from deft_sweeps.cli import show
from deft_sweeps.cli.guard import BAD_INPUT, say
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.folder_check.folder_examination import CheckReport, examine_folder
from deft_sweeps.folder_check.folder_problem import FolderProblem
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.units import count

MOST_LINES = 10
"""Of one check's problems; all of them are in the JSON."""


def doctor(folder: Path, *, fix: bool, as_json: bool) -> None:
    """Print a line a check; end with the code of bad input if something remains wrong.

    Raises:
        StoreError: it is no sweep's folder, or `fix` and a driver holds it.
    """
    sweeps = _sweeps(folder)
    reports = [examine_folder(sweep, fix=fix, say=say) for sweep in sweeps]
    by_sweep = list(zip(sweeps, reports, strict=True))
    if as_json:
        documents = [_json(sweep, checks) for sweep, checks in by_sweep]
        show.as_json(documents[0] if len(documents) == 1 else documents)
    else:
        for sweep, checks in by_sweep:
            if len(sweeps) > 1:
                show.text(f"{sweep.root}:")
            show.text(*(line for check in checks for line in _lines(check)), _total(checks))
    if not all(check.is_sound for checks in reports for check in checks):
        raise typer.Exit(BAD_INPUT)


def _sweeps(folder: Path) -> list[SweepDir]:
    """The sweeps of a folder: itself, or those of a file with several."""
    sweep = SweepDir(folder).require()
    try:
        parts = load_parts(sweep.spec_path, spec_folder(sweep.spec_path))
    except ConfigError:  # The check of the spec says so.
        return [sweep]
    if len(parts) == 1:
        return [sweep]
    sweeps = [SweepDir(folder / part.spec.name) for part in parts]
    sweeps = [each for each in sweeps if each.spec_path.is_file()]
    if not sweeps:
        what = f"holds {len(parts)} sweeps, none of which has begun"
        raise ConfigError([Problem(str(folder), what)])
    return sweeps


def _lines(check: CheckReport) -> Iterator[str]:
    for problem in check.mended:
        yield f"{check.name}: mended: {problem.what}: {problem.remedy}"
    problems = check.checked.problems
    for problem in problems[:MOST_LINES]:
        yield f"{check.name}: problem: {problem.what}; {problem.meaning}; {_remedy(problem)}"
    if len(problems) > MOST_LINES:
        yield f"{check.name}: and {len(problems) - MOST_LINES} more; --json has them all"
    if check.checked.reason_unchecked:
        yield f"{check.name}: not checked: {check.checked.reason_unchecked}"
    elif not problems:
        yield f"{check.name}: ok, {check.checked.summary}"


def _remedy(problem: FolderProblem) -> str:
    return problem.remedy if problem.mend is None else f"--fix {problem.remedy}"


def _total(checks: tuple[CheckReport, ...]) -> str:
    n_problems = sum(len(check.checked.problems) for check in checks)
    n_mended = sum(len(check.mended) for check in checks)
    unchecked = [check.name for check in checks if check.checked.reason_unchecked]
    parts = [count(n_problems, "problem") if n_problems else "all is well"]
    parts += [f"{n_mended} mended"] if n_mended else []
    parts += [f"not checked: {', '.join(unchecked)}"] if unchecked else []
    return "; ".join(parts)


def _json(sweep: SweepDir, checks: tuple[CheckReport, ...]) -> dict[str, Any]:
    return {
        "folder": str(sweep.root),
        "is_sound": all(check.is_sound for check in checks),
        "checks": [
            {
                "name": check.name,
                "state": _state(check),
                "summary": check.checked.summary,
                "reason_unchecked": check.checked.reason_unchecked,
                "problems": [_problem(problem) for problem in check.checked.problems],
                "mended": [_problem(problem) for problem in check.mended],
            }
            for check in checks
        ],
    }


def _state(check: CheckReport) -> str:
    if check.checked.problems:
        return "problem"
    return "unchecked" if check.checked.reason_unchecked else "ok"


def _problem(problem: FolderProblem) -> dict[str, Any]:
    return {
        "what": problem.what,
        "meaning": problem.meaning,
        "remedy": problem.remedy,
        "can_be_mended": problem.mend is not None,
    }

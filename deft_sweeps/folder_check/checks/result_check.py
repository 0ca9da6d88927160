"""Every file in `results/` is a result under its trial's name."""

from collections import Counter
from functools import partial
from pathlib import Path

from deft_sweeps.errors import StoreError
from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.result import TrialResult, read_result
from deft_sweeps.store.atomic_file import move_durably, set_aside
from deft_sweeps.store.result_file import read_result_file
from deft_sweeps.units import count


def examine(view: SweepView) -> Checked:
    """Checks the results."""
    problems = [
        problem
        for path in sorted((view.sweep.root / "results").glob("*.json"))
        if (problem := _problem(view, path)) is not None
    ]
    statuses = Counter(result.status for result in view.results.values())
    of_each = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
    total = count(len(view.results), "result")
    return Checked(f"{total} ({of_each})" if of_each else total, tuple(problems))


def _problem(view: SweepView, path: Path) -> FolderProblem | None:
    """What is wrong with a file; None if nothing is."""
    if path.stem in view.results:
        return None
    name = f"results/{path.name}"
    result = _content(path)
    if result is None:
        what, meaning = f"{name} cannot be read", "its trial counts nowhere, and no driver starts"
        if path.stem not in view.sweep.trial_ids():
            meaning = "no trial wrote it, and it counts nowhere"
        return FolderProblem(
            what,
            meaning,
            f"sets it aside as {path.name}.broken; --resume then runs another trial",
            partial(set_aside, path),
        )
    own = view.sweep.result_path(result.trial_id)
    what = f"{name} is the result of the trial {result.trial_id}"
    if own.exists():
        return FolderProblem(
            what,
            f"it is a copy that counts nowhere: {own.name} is there too",
            f"sets it aside as {path.name}.broken",
            partial(set_aside, path),
        )
    return FolderProblem(
        what,
        "under this name it counts nowhere",
        f"renames it to {own.name}",
        partial(move_durably, path, own),
    )


def _content(path: Path) -> TrialResult | None:
    """The result in a file, whatever its name; None if it holds none."""
    try:
        result = read_result(path.read_bytes())
        # Read again as the store does, by a name that suits it.
        return read_result_file(path) if path.stem == result.trial_id else result
    except (OSError, ValueError, StoreError):
        return None

"""Every file in `results/` is a result under its trial's name."""

from collections import Counter
from functools import partial
from pathlib import Path

from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.result import TrialResult, read_result
from deft_sweeps.store.atomic_file import move_durably, set_aside
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
    try:
        result = _content(path)
    except OSError as error:  # A drive in trouble: the file itself may be whole.
        return FolderProblem(
            f"{name} cannot be opened: {error.strerror}",
            "its trial counts nowhere, and no driver starts",
            "make it readable, and check again",
        )
    if result is None:
        what, meaning = f"{name} cannot be read", "its trial counts nowhere, and no driver starts"
        if path.stem not in view.trial_ids:
            meaning = "no trial wrote it, and it counts nowhere"
        return FolderProblem(
            what,
            meaning,
            f"sets it aside as {path.name}.broken; --resume then runs another trial",
            partial(set_aside, path),
        )
    if result.trial_id == path.stem:  # It could not be read a moment ago.
        return None
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
    """The result in a file, whatever its name; None if it holds none.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        return read_result(path.read_bytes())
    except ValueError:
        return None

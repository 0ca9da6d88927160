"""The record of running trials is as a driver wrote it."""

from functools import partial

from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.store.atomic_file import set_aside
from deft_sweeps.study.pending import record_error, recorded_numbers
from deft_sweeps.units import count


def examine(view: SweepView) -> Checked:
    """Checks `pending.json`, its checksum among the rest."""
    path = view.sweep.pending_path
    reason = record_error(path, len(view.results))
    if reason:
        problem = FolderProblem(
            f"{path.name} is damaged: {reason}",
            "the trials in it cannot be resumed; others take their place",
            f"sets it aside as {path.name}.broken",
            partial(set_aside, path),
        )
        return Checked(problems=(problem,))
    running = [t for t in recorded_numbers(path, len(view.results)) if t not in view.results]
    return Checked(f"{count(len(running), 'trial')} to resume" if running else "nothing is running")

"""Who holds the folder, and whether the last driver said how it ended."""

from dataclasses import replace
from functools import partial

from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.store.atomic_file import set_aside

_UNDER_WAY = ("searching", "stopping", "measuring")


def examine(view: SweepView) -> Checked:
    """Checks the lock and `driver.json`."""
    note, path = view.note, view.sweep.note_path
    if note is None:
        if not path.exists():
            return Checked("a driver holds the folder" if view.is_driven else "none has run")
        problem = FolderProblem(
            f"{path.name} cannot be read",
            "it is not known how the last driver ended, nor how many trials it was to finish",
            f"sets it aside as {path.name}.broken",
            partial(set_aside, path),
        )
        return Checked(problems=(problem,))
    who = f"process {note.pid}" + (f" on {note.host}" if note.host else "")
    if view.is_driven:
        return Checked(f"the folder is held by {who}, {note.state}")
    if note.state not in _UNDER_WAY:
        return Checked(f"the folder is free; the last one, {who}: {note.state}")
    ended = replace(note, state="interrupted", running=(), n_waiting=0)
    problem = FolderProblem(
        f"{path.name} says that {who} is {note.state}, and no driver holds the folder",
        f"that driver is dead; deft-sweeps run {view.sweep.root} --resume goes on",
        "notes that it was interrupted",
        partial(view.sweep.write_note, ended),
    )
    return Checked(problems=(problem,))

"""Measurements of finals, candidates and costs can be read, and are of trials with a result."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from deft_sweeps.errors import StoreError
from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem, listed
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.result import FinalMeasurement, StructureCost
from deft_sweeps.result.number_check import check_numbers
from deft_sweeps.store.atomic_file import set_aside
from deft_sweeps.store.final_record import FINAL_ROLES
from deft_sweeps.store.json_record import read_record
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.units import count

_AGAIN = "sets it aside; it is measured again"


def examine(view: SweepView) -> Checked:
    """Checks `final/`, `policies/`, `costs/` and `selection/`."""
    root = view.sweep.root
    finals = [
        path
        for folder in (root / "final", *sorted((root / "policies").glob("*")))
        for role in FINAL_ROLES
        if (path := folder / f"{role}.json").is_file()
    ]
    costs = sorted((root / "costs").glob("*.json"))
    problems = [p for path in finals for p in _of_trial(view, path, FinalMeasurement)]
    problems += [p for path in costs for p in _of_trial(view, path, StructureCost)]
    problems += _selection(view)
    return Checked(
        f"{count(len(finals), 'final measurement')}, {count(len(costs), 'cost')}", tuple(problems)
    )


def _of_trial(
    view: SweepView, path: Path, kind: type[FinalMeasurement | StructureCost]
) -> Iterator[FolderProblem]:
    """What is wrong with a measurement that can be made again.

    Raises:
        OSError: it cannot be opened; it may be whole.
    """
    name, mend = path.relative_to(view.sweep.root), partial(set_aside, path)
    try:
        measurement = read_record(path, kind)
        check_numbers(measurement)
    except (ValueError, OverflowError):
        yield FolderProblem(f"{name} cannot be read", "its numbers are lost", _AGAIN, mend)
        return
    if measurement.trial_id not in view.trial_ids:
        what = f"{name} is of {measurement.trial_id}, which has no result"
        yield FolderProblem(what, "it says nothing of the trials here", _AGAIN, mend)


def _selection(view: SweepView) -> Iterator[FolderProblem]:
    """What is wrong with the certificate. Its chain is never made anew: the examples are read."""
    root = view.sweep.root
    try:
        chain = SelectionRecord(root).chain()
    except StoreError:
        yield FolderProblem(
            "selection/chain.json cannot be read",
            "without it nothing can be certified by these examples",
            "restore it from a copy",
        )
        return
    paths = sorted((root / "selection").glob("*@*.json"))
    if chain is None and paths:
        yield FolderProblem(
            "selection/ holds measurements and no chain.json",
            "the examples have been read, so no new order of candidates can be certified",
            "restore chain.json from a copy",
        )
    candidates = (*chain.candidates, *chain.baselines.values()) if chain else ()
    absent = {c.trial_id for c in candidates} - view.trial_ids
    if absent:
        yield FolderProblem(
            f"selection/chain.json names {listed(sorted(absent))}, without a result",
            "the certificate cannot be read",
            "put the results back",
        )
    for path in paths:
        try:
            measurement = read_record(path, FinalMeasurement)
        except ValueError:
            measurement = None
        if measurement is None or measurement.name != path.stem:
            what = "cannot be read" if measurement is None else f"is of {measurement.name}"
            yield FolderProblem(
                f"selection/{path.name} {what}",
                "the certificate lacks it",
                _AGAIN,
                partial(set_aside, path),
            )

"""No two trials have one number, by which samplers draw."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count

from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.pending import highest_number, recorded_numbers


def examine(view: SweepView) -> Checked:
    """Checks the numbers in the results and in `pending.json`."""
    owners = {
        number: trial_id
        for trial_id, number in recorded_numbers(view.sweep.pending_path, len(view.results)).items()
        if trial_id not in view.results
    }
    numbered = [r for r in view.results.values() if r.number is not None]
    highest = highest_number(len(view.results))
    clashes: list[tuple[str, str]] = []
    for result in numbered:
        number = result.number
        assert number is not None
        if not 0 <= number < highest:
            clashes.append((result.trial_id, f"{result.trial_id} has the number {number}"))
        elif owners.setdefault(number, result.trial_id) != result.trial_id:
            what = f"{result.trial_id} and {owners[number]} both have the number {number}"
            clashes.append((result.trial_id, what))
    free = (number for number in count() if number not in owners)
    problems = tuple(_problem(view.sweep, trial_id, what, free) for trial_id, what in clashes)
    return Checked(f"{len(numbered)} different", problems)


def _problem(sweep: SweepDir, trial_id: str, what: str, free: Iterator[int]) -> FolderProblem:
    number = next(free)
    return FolderProblem(
        what,
        "its result counts, but the search draws as if it had another number",
        f"gives it {number}, as the next driver would",
        partial(_renumber, sweep, trial_id, number),
    )


def _renumber(sweep: SweepDir, trial_id: str, number: int) -> None:
    sweep.write(replace(sweep.result(trial_id), number=number))

"""Folders of earlier sweeps that a new one is started from: whether they can be."""

from collections.abc import Iterable
from pathlib import Path

from deft_sweeps.errors import Problem, StoreError
from deft_sweeps.result import complete_trials
from deft_sweeps.store.sweep_dir import SweepDir


def unusable_sources(folders: Iterable[str], where: str) -> list[Problem]:
    """A problem for each folder that is no sweep's, cannot be read, or has no complete trial;
    `where` is what named them.
    """
    problems = []
    for folder in folders:
        try:
            if not complete_trials(SweepDir(Path(folder)).require().results()):
                problems.append(
                    Problem(where, f"{folder} has no complete trial to start from", "leave it out")
                )
        except StoreError as error:
            problems.append(Problem(where, str(error), "name the folder of a sweep that has run"))
    return problems

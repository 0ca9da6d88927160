"""The Optuna study that people look at holds the results, each once."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from deft_sweeps.errors import StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.findings.front_member import trial_ids_of
from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem, listed
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.units import count

if TYPE_CHECKING:
    from deft_sweeps.study.study_mirror import StudyMirror

_MEANING = "Optuna's tools show another sweep than the results"


def examine(view: SweepView) -> Checked:
    """Checks the study's mirror."""
    from deft_sweeps.study.mirror_comparison import study_differences

    compared = study_differences(view.spec, view.sweep, view.results)
    again = partial(_level, view, lambda mirror: mirror.rebuild())
    problems = []
    if compared.damage:
        what = f"the study cannot be read: {compared.damage}"
        problems.append(FolderProblem(what, "Optuna's tools cannot show it", "rebuilds it", again))
    for what, trial_ids in (
        ("has twice", compared.doubled),
        ("has without a result", compared.surplus),
        ("has other values for", compared.different),
    ):
        if trial_ids:
            named = f"the study {what} {listed(list(trial_ids))}"
            problems.append(FolderProblem(named, _MEANING, "rebuilds it", again))
    if compared.missing and not view.is_driven:
        add = partial(_level, view, _add)
        named = f"the study lacks {listed(list(compared.missing))}"
        problems.append(FolderProblem(named, _MEANING, "adds them", add))
    n_late = len(compared.missing) if view.is_driven else 0
    late = f", {n_late} to come" if n_late else ""
    return Checked(f"{count(len(view.results) - n_late, 'trial')}{late}", tuple(problems))


def _add(mirror: "StudyMirror") -> None:
    """Adds what is missing; a database that takes no more trials is made anew."""
    try:
        mirror.catch_up()
    except StoreError:
        mirror.rebuild()


def _level(view: SweepView, act: "Callable[[StudyMirror], object]") -> None:
    """Brings the mirror level, with the marks of the last report.

    Raises:
        StoreError: it cannot be written.
    """
    from deft_sweeps.study.study_mirror import StudyMirror

    mirror = StudyMirror(view.sweep, view.spec)
    try:
        act(mirror)
        if view.is_finished:
            findings = Findings.read(view.spec, view.sweep)
            chosen = findings.choice.member
            mirror.tag(
                trial_ids_of(findings.front.members), chosen.result.trial_id if chosen else None
            )
    finally:
        mirror.close()

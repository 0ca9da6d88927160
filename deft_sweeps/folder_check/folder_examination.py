"""Runs every check on a folder, one after another, and mends between them if asked."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from deft_sweeps.errors import StoreError
from deft_sweeps.folder_check.checks import CHECKS, FolderCheck
from deft_sweeps.folder_check.folder_problem import Checked, FolderProblem
from deft_sweeps.folder_check.sweep_view import SweepView
from deft_sweeps.store.folder_lock import is_held
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One check's end.

    Attributes:
        name: of the check.
        checked: as the folder is now.
        mended: problems that it had before.
    """

    name: str
    checked: Checked
    mended: tuple[FolderProblem, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing that was checked is wrong."""
        return not self.checked.problems


def examine_folder(
    sweep: SweepDir, *, fix: bool = False, say: Callable[[str], None] = lambda _: None
) -> tuple[CheckReport, ...]:
    """Checks a sweep's folder and its mirrors.

    Args:
        sweep: the folder.
        fix: mend what can be; the folder is held meanwhile.
        say: is told a sentence if the folder's lock is waited for.

    Raises:
        StoreError: it is no sweep's folder, or `fix` and a driver holds it.
    """
    sweep.require()
    is_driven = is_held(sweep.root)
    with sweep.lock(say) if fix else nullcontext():
        return tuple(_report(sweep, check, is_driven and not fix, fix=fix) for check in CHECKS)


def _report(sweep: SweepDir, check: FolderCheck, is_driven: bool, *, fix: bool) -> CheckReport:
    # Anew for each: what an earlier check has mended is seen by the later ones.
    before = _checked(check, SweepView(sweep, is_driven))
    mendable = [problem for problem in before.problems if problem.mend is not None]
    if not fix or not mendable:
        return CheckReport(check.name, before)
    failures = [failure for problem in mendable if (failure := _mend(problem)) is not None]
    after = _checked(check, SweepView(sweep, is_driven))
    remaining = {problem.what for problem in (*after.problems, *failures)}
    mended = tuple(problem for problem in mendable if problem.what not in remaining)
    unseen = [failure for failure in failures if failure.what not in remaining]
    return CheckReport(
        check.name,
        Checked(after.summary, (*after.problems, *unseen), after.reason_unchecked),
        mended,
    )


def _mend(problem: FolderProblem) -> FolderProblem | None:
    """Mends a problem; returns what is wrong if that fails."""
    assert problem.mend is not None
    try:
        problem.mend()
    except OSError as error:  # A StoreError is one.
        reason = str(error) if isinstance(error, StoreError) else short_reason(error)
        return FolderProblem(problem.what, f"it could not be mended: {reason}", problem.remedy)
    return None


def _checked(check: FolderCheck, view: SweepView) -> Checked:
    try:
        return check.examine(view)
    except OSError as error:  # A server that is down, or a drive.
        reason = str(error) if isinstance(error, StoreError) else short_reason(error)
        return Checked(reason_unchecked=reason)
    except ImportError as error:
        return Checked(reason_unchecked=f"{error.name} is not installed")
    except Exception as error:  # A file that holds what nobody foresaw is what is looked for here.
        problem = FolderProblem(
            f"the check itself fails: {short_reason(error)}",
            "what it would have looked at is unchecked",
            "please report it",
        )
        return Checked(problems=(problem,))

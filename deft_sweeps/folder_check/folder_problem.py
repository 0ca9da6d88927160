"""What a check of a sweep's folder says."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FolderProblem:
    """One thing that is wrong with a folder or a mirror of it.

    Attributes:
        what: is wrong, with the file's or the run's name.
        meaning: for the user, a clause.
        remedy: what `mend` does; without it, what the user can do.
        mend: removes the problem; None if that takes a decision.
    """

    what: str
    meaning: str
    remedy: str
    mend: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check came to.

    Attributes:
        summary: counts, for a line of a sound folder.
        problems: each of them.
        reason_unchecked: why nothing, or not all, could be checked; empty if all was.
    """

    summary: str = ""
    problems: tuple[FolderProblem, ...] = ()
    reason_unchecked: str = ""


def listed(names: list[str], n_shown: int = 3) -> str:
    """The first names, and how many more there are."""
    more = len(names) - n_shown
    return ", ".join(names[:n_shown]) + (f" and {more} more" if more > 0 else "")

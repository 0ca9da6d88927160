"""How many trials a driver is to reach, given what earlier drivers on the folder noted."""

from dataclasses import dataclass

from deft_sweeps.search.search_end import Spent
from deft_sweeps.store.driver_note import DriverNote


@dataclass(frozen=True, slots=True)
class TrialGoal:
    """What a driver is to reach.

    Attributes:
        target: finished trials, earlier ones counted.
        ended: finished trials to which the search came, and those asked for since; None while it is
            not at its end.
        since: what was used when trials beyond the budget were asked for: it does not count against
            the budget's hours, and a flat front is no reason to end. None where none were.
    """

    target: int
    ended: int | None = None
    since: Spent | None = None


def next_goal(
    n_trials: int,
    n_known: int,
    note: DriverNote | None,
    *,
    more: int,
    n_extra: int,
    trial_sec: float,
) -> TrialGoal:
    """The next driver's goal.

    Args:
        n_trials: the budget's.
        n_known: finished trials that there are.
        note: the last driver's.
        more: trials asked for now beyond the budget.
        n_extra: points asked for now besides.
        trial_sec: used by the finished trials.
    """
    ended = None if note is None else _ended(note, n_known)
    since = None if note is None or note.since is None else Spent(*note.since)
    if ended is not None and (more or n_extra):
        # A search that ended before its trials were all done is not taken up again for a few points
        # more.
        goal = ended
    else:
        # Where more was asked of a search that had ended early, what it was given stays, and not
        # the budget that it never came to.
        goal = max(
            n_known, 0 if note is None else note.n_budget, 0 if since is not None else n_trials
        )
    target = goal + more + n_extra
    if more:
        return TrialGoal(target, None, Spent(0.0 if note is None else note.spent_sec, trial_sec))
    return TrialGoal(target, None if ended is None else ended + n_extra, since)


def _ended(note: DriverNote, n_known: int) -> int | None:
    if note.ended is None:
        return n_known if note.state == "finished" else None  # Written before notes said it.
    # Fewer than there are: the search was taken up again since.
    return note.ended if note.ended >= n_known else None

"""Ends a search early: wall time or device time is used up, or the front has stopped growing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deft_sweeps.findings.front_history import history_of
from deft_sweeps.result import TrialResult
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.statistics.plateau import gain_bound, hypervolumes


@dataclass(frozen=True, slots=True)
class Spent:
    """What a search has used.

    Attributes:
        wall_sec: its drivers' time on the folder.
        trial_sec: sum over its trials of their durations, those under way included.
    """

    wall_sec: float
    trial_sec: float


def trial_sec(results: Iterable[TrialResult], started: Iterable[float], now: float) -> float:
    """Sum of the durations of finished trials and, up to `now`, of those that started at `started`,
    in seconds.
    """
    return sum(r.finished_at - r.started_at for r in results) + sum(
        max(0.0, now - at) for at in started
    )


def used_up(budget: Budget, spent: Spent) -> str:
    """Which limit of hours is used up, a sentence; empty if none is."""
    hours = spent.trial_sec / 3600
    reasons = (
        ("hours of wall time", spent.wall_sec / 3600, budget.hours),
        ("GPU hours", hours * budget.gpu_share, budget.gpu_hours),
        ("CPU hours", hours * budget.cpus_per_trial, budget.cpu_hours),
    )
    return next(
        (
            f"the {words} are used up: {used:.3g} of {limit:g}"
            for words, used, limit in reasons
            if limit and used >= limit
        ),
        "",
    )


class Flatness:
    """Checks `until_flat`.

    The next check comes after 5 % more trials, since its cost is proportional to their number.
    """

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._looked_at = 0
        self._found = ""

    def __call__(self, results: Sequence[TrialResult]) -> str:
        """Why the front counts as flat, a sentence; empty while it does not."""
        share, n = self._spec.budget.until_flat, len(results)
        if share is None or n < self._looked_at + max(1, self._looked_at // 20):
            return self._found
        self._looked_at = n
        volumes = hypervolumes(history_of(results, self._spec.objectives, self._spec.search_limits))
        bound = gain_bound(volumes, self._spec.search.startup)
        flat = bound is not None and bound < share
        self._found = (
            f"the front is flat: a further trial is expected to add less than {share:g} of its"
            " hypervolume"
            if flat
            else ""
        )
        return self._found

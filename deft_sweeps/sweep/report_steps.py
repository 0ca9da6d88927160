"""Optimiser steps at which a trial reports to the driver."""

from collections.abc import Iterable
from math import ceil

from deft_sweeps.specification.search_settings import Halving, Stopping

N_REPORTS = 10
LONGEST_INTERVAL = 200


def report_interval(steps: int) -> int:
    """Steps between two reports of a trial of `steps` steps: about N_REPORTS in all, and one at
    least every LONGEST_INTERVAL.
    """
    return min(ceil(steps / N_REPORTS), LONGEST_INTERVAL)


def rungs_before_end(stopping: Stopping, steps: int) -> tuple[int, ...]:
    """Steps at which early stopping measures a trial of `steps` steps on its way."""
    return stopping.at(steps)[:-1] if isinstance(stopping, Halving) else ()


def next_report(step: int, steps: int, rungs: Iterable[int]) -> int:
    """The step of the report after `step`: the next rung, or the end of the regular interval.

    Args:
        step: of the last report; 0 before the first.
        steps: of the trial.
        rungs: steps at which it is measured.
    """
    regular = step + report_interval(steps)
    return min((rung for rung in rungs if step < rung < regular), default=regular)

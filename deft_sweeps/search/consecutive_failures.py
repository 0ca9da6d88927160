"""Aborts the sweep after ten consecutive trials fail with the same unexpected error."""

import re

from deft_sweeps.errors import TrialError
from deft_sweeps.result import FailedTrial, TrialResult

MOST_ALIKE = 10
"""Consecutive failures with one error that abort the sweep."""

_N_COMPARED = 160
"""Characters of two errors that are compared: a stored error was cut off at a length, so its end
moves with the length of the ids in it."""

_VARIABLE = re.compile(r"[^\s'\"()<>\[\]{},;=]*\d[^\s'\"()<>\[\]{},;=]*|\btmp\w{8}\b|\b[a-f]{8,}\b")
"""What differs between failures of one cause: words with a digit (ids, process numbers, addresses,
sizes, times) and temporary names."""


class ConsecutiveFailures:
    """Counts consecutive trials that failed with the same error.

    Errors that a trial itself raises, such as a loss that is not finite, do not count. Nor do
    trials that do not fit into memory. A space may be full of both.
    """

    def __init__(self) -> None:
        self._error, self._n = "", 0

    def add(self, result: TrialResult) -> None:
        """Counts a trial that has ended."""
        expected = f"{TrialError.__name__}:"
        if (
            not isinstance(result, FailedTrial)
            or result.infeasible
            or result.error.startswith(expected)
        ):
            self._error, self._n = "", 0
        else:
            is_same = error_kind(result.error) == error_kind(self._error)
            self._n = self._n + 1 if is_same else 1
            self._error = result.error

    @property
    def reason(self) -> str:
        """Why the sweep cannot go on, a sentence; empty while it can."""
        if self._n < MOST_ALIKE:
            return ""
        failed = f"{self._n} trials failed one after the other: {self._error}"
        return f"{failed}; mend that, then resume the sweep"


def error_kind(error: str) -> str:
    """The part of an error's text that is the same whenever the error has the same cause.

    Ray names the worker, the node, the process and the time in its texts.
    """
    return _VARIABLE.sub("#", error)[:_N_COMPARED]

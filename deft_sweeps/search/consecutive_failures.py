"""Aborts the sweep after ten consecutive trials fail with the same unexpected error."""

from deft_sweeps.errors import TrialError
from deft_sweeps.result import FailedTrial, TrialResult

MOST_ALIKE = 10
"""Consecutive failures with one error that abort the sweep."""


class ConsecutiveFailures:
    """Counts consecutive trials that failed with the same error.

    Errors that a trial itself raises, such as a loss that is not finite, do not count: a space may
    be full of them.
    """

    def __init__(self) -> None:
        self._error, self._n = "", 0

    def add(self, result: TrialResult) -> None:
        """Counts a trial that has ended."""
        expected = f"{TrialError.__name__}:"
        if not isinstance(result, FailedTrial) or result.error.startswith(expected):
            self._error, self._n = "", 0
        else:
            self._n = self._n + 1 if result.error == self._error else 1
            self._error = result.error

    @property
    def reason(self) -> str:
        """Why the sweep cannot go on, a sentence; empty while it can."""
        if self._n < MOST_ALIKE:
            return ""
        failed = f"{self._n} trials failed one after the other: {self._error}"
        return f"{failed}; mend that, then resume the sweep"

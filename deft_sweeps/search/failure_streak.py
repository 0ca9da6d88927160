"""Trials that fail one after the other of one error: what is wrong is not with the trials."""

from deft_sweeps.errors import TrialError
from deft_sweeps.result import FailedTrial, TrialResult

MOST_ALIKE = 10
"""So many end the sweep."""


class Streak:
    """How many trials in a row failed of the same; none of what a trial itself raised, such as a
    loss that is not finite, which a space may be full of.
    """

    def __init__(self) -> None:
        self._error, self._n = "", 0

    def add(self, result: TrialResult) -> None:
        """A trial has ended."""
        if not isinstance(result, FailedTrial) or result.error.startswith(
            f"{TrialError.__name__}:"
        ):
            self._error, self._n = "", 0
        else:
            self._error, self._n = result.error, self._n + 1 if result.error == self._error else 1

    @property
    def told(self) -> str:
        """Why the sweep cannot go on, a sentence; empty while it can."""
        if self._n < MOST_ALIKE:
            return ""
        return (
            f"{self._n} trials failed one after the other: {self._error}; mend that, then resume"
            " the sweep"
        )

"""Every error that a user can meet.

DeftSweepsError
├── ConfigError (ValueError)        a file or an option is impossible; lists every problem
├── DataError (ValueError)          a data set cannot be used as the spec asks
├── CheckpointError (OSError)       weights or a tokenizer are missing, altered or unknown
├── StoreError (OSError)            a sweep folder is missing, locked or unreadable
├── BundleError (OSError)           an exported bundle is missing, changed or unreadable
├── MissingExtraError (ImportError) packages of an extra are not installed
├── TrialError (RuntimeError)       one trial cannot go on (its loss is not finite, say)
│   └── InfeasibleTrialError        it needs more memory than there is
└── SweepError (RuntimeError)       the sweep as a whole cannot go on
"""

from dataclasses import dataclass


class DeftSweepsError(Exception):
    """Root of the tree: everything that is reported to the user without a traceback."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the user's input.

    Attributes:
        where: `file:line:column`, or the name of a command line option.
        what: what was found and what was expected there.
        remedy: how to remedy it; empty when `what` says it all.
    """

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


class ConfigError(DeftSweepsError, ValueError):
    """The input cannot be used; `problems` holds every reason, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class DataError(DeftSweepsError, ValueError):
    """A data set cannot be used as asked."""


class CheckpointError(DeftSweepsError, OSError):
    """A checkpoint is missing, altered, or of a family that is not known."""


class StoreError(DeftSweepsError, OSError):
    """A sweep folder is missing, in use by another driver, or unreadable."""


class BundleError(DeftSweepsError, OSError):
    """An exported bundle is missing, changed, or of a version that is not known."""


class MissingExtraError(DeftSweepsError, ImportError):
    """Packages that only an extra of this package brings are not installed."""


class TrialError(DeftSweepsError, RuntimeError):
    """One trial cannot go on; the sweep can."""


class InfeasibleTrialError(TrialError):
    """A trial needs more memory than there is, however its batches are split."""


class SweepError(DeftSweepsError, RuntimeError):
    """The sweep cannot go on."""

"""The one place where a finished trial is recorded."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from deft_sweeps.result import CompleteTrial, TrialResult
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.pending import PendingTrials
from deft_sweeps.study.proposal import Proposal
from deft_sweeps.study.sweep_study import SweepStudy

RETRY_SEC = 1.0


class ResultRecorder:
    """Stores each result, then tells the study; a result that cannot be stored waits.

    Args:
        sweep: folder of the sweep.
        study: told of each stored result.
        pending: record from which a stored trial is removed.
        on_trouble: called with a sentence if a result cannot be stored.
    """

    def __init__(
        self,
        sweep: SweepDir,
        study: SweepStudy,
        pending: PendingTrials,
        on_trouble: Callable[[str], None],
    ) -> None:
        self._sweep, self._study, self._pending = sweep, study, pending
        self._on_trouble = on_trouble
        self._waiting: list[tuple[Proposal, TrialResult]] = []
        self._tried_at = float("-inf")

    @property
    def waiting(self) -> tuple[TrialResult, ...]:
        """Results that could not be stored yet."""
        return tuple(result for _, result in self._waiting)

    def add(self, proposal: Proposal, result: TrialResult) -> None:
        """Queues the result of a trial that has ended; `store_queued` stores it."""
        self._waiting.append((proposal, result))

    def store_queued(self, *, now: bool = False) -> Iterator[TrialResult]:
        """Stores what waits, in the order in which it ended; yields each stored result.

        It tries at most once in RETRY_SEC unless `now`.
        """
        if not self._waiting or (not now and time.monotonic() - self._tried_at < RETRY_SEC):
            return
        self._tried_at = time.monotonic()
        while self._waiting:
            proposal, result = self._waiting[0]
            try:
                self._sweep.write(result)
            except OSError as error:
                trouble = "a finished trial cannot be written, trying again"
                self._on_trouble(f"{trouble}: {short_reason(error)}")
                return
            self._waiting.pop(0)
            self._study.tell(proposal.number, result)
            self._pending.remove(proposal.number)
            self._remove_unfinished(result)
            yield result

    def _remove_unfinished(self, result: TrialResult) -> None:
        """Removes what only a trial that is not finished needs."""
        useless = [
            self._sweep.checkpoint_path(result.trial_id),
            self._sweep.rungs_path(result.trial_id),
        ]
        if not isinstance(result, CompleteTrial):
            useless.append(self._sweep.weights_path(result.trial_id))
        for path in useless:
            with suppress(OSError):
                path.unlink()

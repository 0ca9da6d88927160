"""The one place where a finished trial is recorded."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from deft_sweeps.result import CompleteTrial, TrialResult
from deft_sweeps.search.reported_result import failed
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.study.pending import PendingTrials
from deft_sweeps.study.proposal import Proposal
from deft_sweeps.study.sweep_study import SweepStudy

RETRY_SEC = 1.0
APPEAR_SEC = 90.0
"""How long the driver waits for the weights that a worker has written: on a network drive a new
file may take a minute to appear."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A trial that has ended and is not stored yet.

    Attributes:
        attempt: whose weights are the trial's; None if they need not be moved, or are.
        ended_at: by the monotonic clock.
    """

    proposal: Proposal
    result: TrialResult
    attempt: int | None
    ended_at: float


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
        self._waiting: list[_Ended] = []
        self._tried_at = float("-inf")

    @property
    def waiting(self) -> tuple[TrialResult, ...]:
        """Results that could not be stored yet."""
        return tuple(ended.result for ended in self._waiting)

    def add(self, proposal: Proposal, result: TrialResult, attempt: int | None = None) -> None:
        """Queues the result of a trial that has ended; `store_queued` stores it.

        Args:
            proposal: of the trial.
            result: of the trial.
            attempt: number of the attempt that gave it and wrote its weights, if a worker did.
        """
        self._waiting.append(_Ended(proposal, result, attempt, time.monotonic()))

    def store_queued(self, *, now: bool = False) -> Iterator[TrialResult]:
        """Stores what waits, in the order in which it ended; yields each stored result.

        It tries at most once in RETRY_SEC unless `now`.
        """
        if not self._waiting or (not now and time.monotonic() - self._tried_at < RETRY_SEC):
            return
        self._tried_at = time.monotonic()
        while self._waiting:
            try:
                ended = self._waiting[0] = self._with_weights(self._waiting[0])
                self._sweep.write(ended.result)
            except OSError as error:
                trouble = "a finished trial cannot be written, trying again"
                self._on_trouble(f"{trouble}: {short_reason(error)}")
                return
            self._waiting.pop(0)
            self._study.tell(ended.proposal.number, ended.result)
            self._pending.remove(ended.proposal.number)
            self._remove_unfinished(ended.result)
            yield ended.result

    def _with_weights(self, ended: _Ended) -> _Ended:
        """The trial once its weights are in place; a failed one if its worker wrote them elsewhere.

        Raises:
            OSError: they cannot be moved now.
        """
        if ended.attempt is None or not isinstance(ended.result, CompleteTrial):
            return ended
        try:
            UnfinishedTrial(self._sweep, ended.result.trial_id).accept(ended.attempt)
        except FileNotFoundError:
            if time.monotonic() - ended.ended_at < APPEAR_SEC:
                raise
            what = f"its weights are not in {self._sweep.root}: do all nodes share that folder?"
            lost = failed(ended.proposal, what, ended.result.rungs)
            return replace(ended, result=replace(lost, number=ended.proposal.number), attempt=None)
        return replace(ended, attempt=None)

    def _remove_unfinished(self, result: TrialResult) -> None:
        """Removes what only a trial that is not finished needs."""
        UnfinishedTrial(self._sweep, result.trial_id).remove()
        if not isinstance(result, CompleteTrial):  # One that ran before may have left some.
            with suppress(OSError):
                self._sweep.weights_path(result.trial_id).unlink()

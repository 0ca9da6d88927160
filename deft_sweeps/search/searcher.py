"""Ray Tune's Searcher over a sweep's study.

A trial that ends is stored, then told to the study, then reported to the driver. The study is made
from the store at each start, so a driver that dies between two of these loses nothing.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, assert_never

from optuna.study import Study
from ray.tune.search import Searcher

from deft_sweeps.errors import StoreError, SweepError
from deft_sweeps.result import MachineShare, TrialResult
from deft_sweeps.sampler.study_sampler import study_sampler
from deft_sweeps.search.memory_exhaustion import (
    exhausted_shares,
    note_exhaustion,
    was_killed_for_memory,
)
from deft_sweeps.search.next_step import Abort, Done, NextStep, Propose, Wait
from deft_sweeps.search.proposer import Proposer
from deft_sweeps.search.reported_result import checked_result, failed, stopped
from deft_sweeps.search.requested_points import RequestedPoints
from deft_sweeps.search.result_recorder import ResultRecorder
from deft_sweeps.search.trial_report import ATTEMPT, RESULT, reported_rung
from deft_sweeps.search.warm_start import first_points, prior_trials
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.early_stopping import EarlyStopping
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.study.optuna_study import finished
from deft_sweeps.study.parameters import start_of
from deft_sweeps.study.pending import read_pending
from deft_sweeps.study.proposal import Proposal
from deft_sweeps.study.sweep_study import SweepStudy


class StudySearcher(Searcher):  # type: ignore[misc]  # Ray ships no types
    """Proposes until `target` trials of the sweep are finished.

    Args:
        spec: of the sweep.
        sweep: its folder.
        target: finished trials to reach, earlier ones counted. Trials and extra points that an
            earlier driver recorded are run beyond it.
        first: points to try before the sampler's own; one that ran is left out.
        extra: points to try before those, also if they ran, and also when the search is over.
        stop_reason: says why the search is over; empty while it is not.
        on_finish: called with each result once it is stored and told.
        on_trouble: called with a sentence when something could not be written.
        stopping: while it says so, nothing more is proposed.
        slots: trials that may run at a time, asked before each proposal; None is no limit.
        follow_up: called once, after the search and its last trial have ended; the same workers
            run the points that it returns.
        on_target: called after these points raised the target, before one of them runs.
        on_wait: called when nothing is proposed for now: while no trial runs, Tune calls nothing
            but `suggest`.

    Attributes:
        target: finished trials to reach; points of the follow-up are added to it.
        aborted: why the sweep cannot go on.
        over: why the search ended before its target, a sentence; empty if it did not.
        lost: Tune's ids of running trials whose worker is gone or could not start, with the reason.
        shares: of a machine, by Tune's ids of the running trials that have one.
    """

    def __init__(
        self,
        spec: SweepSpec,
        sweep: SweepDir,
        *,
        target: int,
        first: Iterable[Start] = (),
        extra: Iterable[Start] = (),
        stop_reason: Callable[[], str] = lambda: "",
        on_finish: Callable[[TrialResult], None] = lambda _: None,
        on_trouble: Callable[[str], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        slots: Callable[[], int] | None = None,
        follow_up: Callable[[], tuple[Start, ...]] | None = None,
        on_target: Callable[[], None] = lambda: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.aborted: SweepError | None = None
        self.over = ""
        self.lost: dict[str, str] = {}
        self.shares: dict[str, MachineShare] = {}
        self._spec, self._sweep = spec, sweep
        self._on_finish, self._on_trouble = on_finish, on_trouble
        self._stopping, self._slots = stopping, slots
        self._follow_up, self._on_target, self._on_wait = follow_up, on_target, on_wait
        self._running: dict[str, Proposal] = {}

        sweep.root.mkdir(parents=True, exist_ok=True)
        stored = sweep.results()
        trial_ids = [result.trial_id for result in stored]
        self._pending = pending = read_pending(spec, sweep, trial_ids, on_trouble)
        self._study = SweepStudy(spec)
        self._study.add_prior(prior_trials(spec, sweep))
        self._study.rebuild(stored, pending)
        self._study.judge.forget_failures()  # They may have been mended since.
        self.study.sampler = study_sampler(spec)
        self._n_finished = len(finished(self.study))

        begun = [proposal.start for proposal in pending.proposals.values()]
        ran = [start_of(spec, trial.params) for trial in finished(self.study)] + begun
        self._requested = requested = RequestedPoints(spec, pending)
        requested.add_extra(extra)
        # The last driver may have been killed before it noted its target.
        n_recorded = len(pending.proposals) + len(pending.extra)
        self.target = max(target, self._n_finished + n_recorded)
        requested.add(first, "first", ran)
        requested.add(first_points(spec, sweep), "warm_start", ran)
        try:
            pending.write()
        except OSError as error:
            what = f"{pending.path} cannot be written: {short_reason(error)}"
            raise StoreError(what) from error

        self._proposer = Proposer(spec, self._study, pending, requested, trial_ids, stop_reason)
        self._recorder = ResultRecorder(sweep, self._study, pending, on_trouble)
        self._early = EarlyStopping(spec, self._study, pending, stored, on_trouble)
        for proposal in pending.proposals.values():
            self._early.resume(proposal, UnfinishedTrial(sweep, proposal.trial_id).rungs())

    @property
    def study(self) -> Study:
        """The Optuna study."""
        return self._study.optuna

    @property
    def running(self) -> tuple[Proposal, ...]:
        """Running trials."""
        return tuple(self._running.values())

    @property
    def n_finished(self) -> int:
        """Trials of the sweep that are stored and told."""
        return self._n_finished

    @property
    def waiting(self) -> tuple[TrialResult, ...]:
        """Results that could not be stored yet."""
        return self._recorder.waiting

    def proposal(self, tune_id: str) -> Proposal | None:
        """The trial that Tune calls `tune_id`, while it runs."""
        return self._running.get(tune_id)

    def suggest(self, trial_id: str) -> dict[str, object] | str | None:
        """The next trial's settings; FINISHED when there is none to come, None if none now."""
        self.store_queued()
        match self._next_or_follow_up():
            case Propose(proposal):
                self._running[trial_id] = proposal
                return proposal.tune_config() | {"n_trials": self._n_at_a_time()}
            case Wait(reason):
                if reason:
                    self._on_trouble(reason)
                self._on_wait()
                return None
            case Done(reason):
                self.over = self.over or reason
            case Abort(error):
                self.aborted = error
            case unknown:
                assert_never(unknown)
        return str(Searcher.FINISHED)

    def may_continue(self, trial_id: str, reported: dict[str, Any]) -> bool:
        """Whether a trial goes on past a report; only a rung can end it."""
        proposal, rung = self._running.get(trial_id), reported_rung(reported)
        return proposal is None or rung is None or self._early.may_continue(proposal.number, rung)

    def note_lost(self, tune_id: str, why: str) -> bool:
        """Notes that a trial's worker is gone or could not start.

        Args:
            tune_id: Tune's id of the trial.
            why: the reason.

        Returns:
            Whether it is the host's memory, and the next attempt is another one for it.
        """
        self.lost[tune_id] = why
        proposal = self._running.get(tune_id)
        if proposal is None or not was_killed_for_memory(why):
            return False
        share = self.shares.get(tune_id, MachineShare())
        return note_exhaustion(proposal.config, self._files(proposal), share)

    def exhausted(self, tune_id: str) -> tuple[MachineShare, ...]:
        """Shares that a running trial ran out of memory in, however its batches were split."""
        proposal = self._running.get(tune_id)
        if proposal is None:
            return ()
        return exhausted_shares(proposal.config, self._files(proposal).exhaustions())

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, object] | None = None,
        error: bool = False,
    ) -> None:
        """Records what the trial gave.

        Without a TrialResult in `result` it was lost (`error`) or stopped early.
        """
        proposal = self._running.pop(trial_id, None)
        why = self.lost.pop(trial_id, "no reason is known")
        self.shares.pop(trial_id, None)
        if proposal is None:
            return
        reported = result or {}
        ended = self._ended(proposal, reported.get(RESULT), why if error else None)
        attempt = reported.get(ATTEMPT)
        self._recorder.add(
            proposal,
            replace(ended, number=proposal.number, exhaustions=self._files(proposal).exhaustions()),
            attempt if isinstance(attempt, int) else None,
        )
        self.store_queued(now=True)

    def store_queued(self, *, now: bool = False) -> None:
        """Stores results that could not be stored before; at most once a second unless `now`."""
        for result in self._recorder.store_queued(now=now):
            self._n_finished += 1
            self._early.forget(result.trial_id)
            self._proposer.failures.add(result)
            self._on_finish(result)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the sweep's folder holds it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Not how a sweep is resumed: start a new searcher on its folder.

        Raises:
            StoreError: always.
        """
        raise StoreError("a sweep is resumed from its folder, not from Tune's checkpoint")

    def _next_or_follow_up(self) -> NextStep:
        step = self._next_step()
        if not isinstance(step, Done) or self._follow_up is None or self._stopping():
            return step
        if self._running or self.waiting:
            return Wait()
        starts, self._follow_up = self._follow_up(), None
        if not starts:
            return step
        self.over = self.over or step.reason
        self._add(starts)
        return self._next_step()

    def _add(self, starts: tuple[Start, ...]) -> None:
        """Adds points of the follow-up; they are recorded before the target and before they run."""
        self._requested.add_extra(starts)
        with suppress(OSError):  # Each proposal is recorded again, and waits if it cannot be.
            self._pending.write()
        self.target = max(self.target, self._n_finished + len(starts))
        self._on_target()

    def _files(self, proposal: Proposal) -> UnfinishedTrial:
        return UnfinishedTrial(self._sweep, proposal.trial_id)

    def _next_step(self) -> NextStep:
        n_waiting, n_running = len(self.waiting), len(self._running)
        if self._stopping() or self._n_finished + n_running + n_waiting >= self.target:
            return Done()
        if n_waiting:  # What finishes now could not be stored either.
            return Wait()
        if self._slots is not None and n_running >= self._slots():
            return Wait()
        return self._proposer.next_step(self.running)

    def _n_at_a_time(self) -> int:
        """Trials that run at a time from now on; workers space their checkpoints by it."""
        return max(len(self._running), 0 if self._slots is None else self._slots())

    def _ended(self, proposal: Proposal, text: object, lost: str | None) -> TrialResult:
        rungs = self._early.rungs(proposal.trial_id)
        if isinstance(text, str):
            try:
                return checked_result(self._spec, proposal, text)
            except ValueError as error:
                return failed(proposal, str(error), rungs)
        if lost is None:
            return stopped(proposal, rungs)
        n_lost = self._spec.budget.max_failures + 1
        ended = failed(proposal, f"its worker was lost {n_lost} times, last: {lost}", rungs)
        return replace(ended, infeasible=was_killed_for_memory(lost))

"""The driver's own state: what it knows, what it tells the folder and the viewer, once a second and
whenever a trial ends.
"""

import os
import platform
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from deft_sweeps.outcomes import NO_SCORES
from deft_sweeps.report.saved_steps import saved_steps
from deft_sweeps.result import CompleteTrial, FailedTrial, TrialResult
from deft_sweeps.search.search_end import Flatness, Spent, trial_sec, used_up
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import TROUBLE, reported_steps
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.proposal import Proposal
from deft_sweeps.sweep.ended_trial import release
from deft_sweeps.sweep.progress import Ended, Progress, View, ended, front_rows
from deft_sweeps.sweep.stall_watch import StallWatch
from deft_sweeps.sweep.trial_goal import TrialGoal

BEAT_SEC = 1.0
NOTE_SEC = 0.2
FRONT_SHARE = 0.03
"""Of the driver's time, at most, goes into the front that is shown: with thousands of points it
takes seconds."""


class Driver:
    """Collects what happens and tells it on.

    Args:
        results: of this sweep's space that were there before.
        goal: what to reach.
        view: is shown each Progress.
        phase: what the trials are for, where it is not the search.
    """

    def __init__(
        self,
        spec: SweepSpec,
        sweep: SweepDir,
        results: Iterable[TrialResult],
        goal: TrialGoal,
        view: View,
        *,
        phase: str = "",
    ) -> None:
        self.spec, self.sweep, self.view = spec, sweep, view
        self.ended, self._since = goal.ended, goal.since
        self._keeps_examples = any(limit.surely for limit in spec.limits)
        self.results = [self._kept(result) for result in results]
        self._trial_sec = trial_sec(self.results, (), 0.0)
        took = [_took(result) for result in self.results if not isinstance(result, FailedTrial)]
        self._n_took, self._took_sec = len(took), sum(took)
        self._saved_steps = saved_steps(self.results)
        self.running: Callable[[], tuple[Proposal, ...]] = lambda: ()
        self.target_now: Callable[[], int] = lambda: goal.target
        self.slots, self.n_waiting = 1, 0
        self.stopping = False
        self.state = "searching"
        self._messages: dict[str, None] = {}
        self._started_at = time.time()
        note = sweep.note()
        self._spent_before = note.spent_sec if note else 0.0
        self._flat = Flatness(spec) if goal.since is None else (lambda _: "")
        self.phase = phase
        self._beat_at = self._noted_at = self._front_at = float("-inf")
        self._front_cost = 0.0
        self._front_stale = True
        self._front = front_rows((), spec.objectives, ())
        self._latest: TrialResult | None = None

    @property
    def messages(self) -> tuple[str, ...]:
        """Warnings, each once, in the order they came."""
        return tuple(self._messages)

    @property
    def target(self) -> int:
        """Finished trials to reach, earlier ones counted."""
        return self.target_now()

    @property
    def spent(self) -> Spent:
        """By all drivers and trials of the folder, this one's included."""
        now = time.time()
        under_way = self._trial_sec + trial_sec(
            (), (proposal.started_at for proposal in self.running()), now
        )
        return Spent(self._spent_before + now - self._started_at, under_way)

    def stop_reason(self) -> str:
        """Why the search is over before its trials are all done, a sentence; empty while it is
        not.
        """
        spent, before = self.spent, self._since or Spent(0.0, 0.0)
        own = Spent(spent.wall_sec - before.wall_sec, spent.trial_sec - before.trial_sec)
        return used_up(self.spec.budget, own) or self._flat(self.results)

    def warn(self, message: str) -> None:
        """Have the viewer told; may be called from any thread."""
        self._messages.setdefault(message)

    def finished(self, result: TrialResult) -> None:
        """A trial is stored and told."""
        self.results.append(self._kept(result))
        self._trial_sec += _took(result)
        if not isinstance(result, FailedTrial):
            self._n_took, self._took_sec = self._n_took + 1, self._took_sec + _took(result)
        self._saved_steps += saved_steps([result])
        self._latest = result
        self._front_stale = True
        self._show(time.monotonic(), NOTE_SEC)

    def beat(self, *, now: bool = False) -> None:
        """Tell folder and viewer how things stand; at most once in BEAT_SEC unless `now`."""
        clock = time.monotonic()
        if now or clock - self._beat_at >= BEAT_SEC:
            self._show(clock, 0.0)

    def _show(self, clock: float, note_every_sec: float) -> None:
        self._beat_at = clock
        self._refresh_front(clock)
        left_sec = self._left_sec()
        if clock - self._noted_at >= note_every_sec:
            self._noted_at = clock
            self._note(left_sec)
        rows, n_front, volume = self._front
        progress = Progress(
            n_done=len(self.results),
            n_running=len(self.running()) - self.n_waiting,
            n_waiting=self.n_waiting,
            n_failed=len(self.results) - self._n_took,
            n_budget=self.target,
            front=rows,
            n_front=n_front,
            hypervolume=volume,
            left_sec=left_sec,
            latest=None if self._latest is None else self._ended(self._latest),
            messages=self.messages,
            saved_steps=self._saved_steps if self._saved_steps.n_stopped else None,
            state=self.state,
            phase=self.phase,
        )
        # A closed pipe or a log on a full disk: nothing that only shows may end a trial.
        with suppress(OSError, ValueError):
            self.view(progress)

    def _kept(self, result: TrialResult) -> TrialResult:
        """Without the scores of single examples, which would be most of the driver's memory, unless
        a limit is judged by them.
        """
        if self._keeps_examples or not isinstance(result, CompleteTrial):
            return result
        return replace(
            result,
            points=tuple(replace(point, example_scores=NO_SCORES) for point in result.points),
        )

    def _note(self, left_sec: float | None) -> None:
        note = DriverNote(
            pid=os.getpid(),
            started_at=self._started_at,
            beat_at=time.time(),
            n_budget=self.target,
            running=tuple(proposal.trial_id for proposal in self.running()),
            state=self.state,
            left_sec=left_sec,
            spent_sec=self.spent.wall_sec,
            ended=self.ended,
            n_waiting=min(self.n_waiting, len(self.running())),  # The count is of the last step.
            since=None if self._since is None else (self._since.wall_sec, self._since.trial_sec),
            host=platform.node(),
        )
        try:
            self.sweep.write_note(note)
        except OSError as error:
            self.warn(f"the sweep's folder cannot be written: {short_reason(error)}")

    def _ended(self, result: TrialResult) -> Ended:
        threshold = self.spec.evaluation.objective_threshold
        return ended(result, threshold, self.spec.objectives)

    def _refresh_front(self, clock: float) -> None:
        if self._front_stale and (clock - self._front_at) * FRONT_SHARE >= self._front_cost:
            self._front = front_rows(self.results, self.spec.objectives, self.spec.search_limits)
            self._front_at, self._front_stale = time.monotonic(), False
            self._front_cost = self._front_at - clock

    def _left_sec(self) -> float | None:
        """The mean duration of a trial times the trials to go, shared among the slots; None where
        there is nothing to project.
        """
        if len(self.results) >= self.target:
            return None
        if not self._n_took:
            return None
        mean = self._took_sec / self._n_took
        under_way = sum(min(time.time() - proposal.started_at, mean) for proposal in self.running())
        to_go = self.target - len(self.results)
        return max(
            0.0, (to_go * mean - under_way) / min(max(1, self.slots, len(self.running())), to_go)
        )


def _took(result: TrialResult) -> float:
    return result.finished_at - result.started_at


class DriverCallback(Callback):  # type: ignore[misc]  # Ray ships no types
    """Tune's loop as the driver's clock; step metrics go to the sweep's folder as they come.

    Args:
        driver: is told.
        searcher: knows the trials.
        slots: trials that may run at a time from now on.
        n_waiting: trials under way that wait for resources.
        stalls: ends workers that are silent for too long.
    """

    def __init__(
        self,
        driver: Driver,
        searcher: StudySearcher,
        slots: Callable[[], int],
        n_waiting: Callable[[], int],
        stalls: StallWatch,
    ) -> None:
        self._driver, self._searcher = driver, searcher
        self._slots, self._n_waiting, self._stalls = slots, n_waiting, stalls

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Between two events is where an interrupted driver may stop: nothing is half done."""
        if self._driver.stopping:
            raise KeyboardInterrupt
        self._driver.slots = self._slots()  # Before Tune asks the searcher for trials.

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Keep what waits, end silent workers, and show how things stand."""
        self._searcher.store_queued()
        self._stalls.end_stalled()
        self._driver.n_waiting = min(self._n_waiting(), len(self._searcher.running))
        self._driver.beat()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """From here on the trial has a worker, whose reports are waited for."""
        self._stalls.heard(trial)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It needs no worker any more, and the searcher has its result."""
        self._stalls.forget(trial)
        release(trial)

    on_trial_error = on_trial_complete

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Note a trial's steps and its troubles."""
        if trial.status == Trial.PAUSED:
            self._stalls.forget(trial)
        else:
            self._stalls.heard(trial)
        proposal = self._searcher.proposal(trial.trial_id)
        if proposal is not None:
            if TROUBLE in result:
                self._driver.warn(f"{proposal.trial_id}: {result[TROUBLE]}")
            try:
                self._driver.sweep.add_steps(proposal.trial_id, reported_steps(result))
            except OSError as error:
                self._driver.warn(f"step metrics cannot be written: {short_reason(error)}")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial lost its worker and goes on."""
        self._stalls.forget(trial)
        proposal = self._searcher.proposal(trial.trial_id)
        if proposal is not None:
            why = self._searcher.lost.get(trial.trial_id, "no reason is known")
            self._driver.warn(
                f"{proposal.trial_id} lost its worker and goes on from its checkpoint: {why}"
            )

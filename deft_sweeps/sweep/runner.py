"""run_sweep: the whole search on Ray, from an empty or a half-done folder to a full one."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from deft_sweeps.errors import StoreError
from deft_sweeps.result import CompleteTrial, TrialResult
from deft_sweeps.search import warm_start
from deft_sweeps.search.search_end import trial_sec
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.result_file import stray_note
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.sweep_identity import sweep_id
from deft_sweeps.store.unfinished_trial import unfinished_trials
from deft_sweeps.sweep.driver import BEAT_SEC, Driver
from deft_sweeps.sweep.follower import Follower
from deft_sweeps.sweep.head_watch import head_watch
from deft_sweeps.sweep.local_ray import ray_session
from deft_sweeps.sweep.progress import View
from deft_sweeps.sweep.stop_signal import stoppable
from deft_sweeps.sweep.trial_goal import next_goal
from deft_sweeps.sweep.tune_search import run_tune
from deft_sweeps.trial.protocol import TrialStarterFactory

CHANGED = "the data have changed since the sweeps that this one was started from"
BEHIND = (
    "MLflow or the Optuna study is behind the results; the next run here catches up, or"
    " `deft-sweeps doctor DIR --fix`"
)

FollowUp = Callable[[], tuple[str, tuple[Start, ...]]]
"""Returns the phase that the progress shows, and points to run; there may be none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the driver came to.

    Attributes:
        n_complete, n_failed, n_stopped: trials of the sweep, earlier runs' included.
        interrupted: the user stopped it; what is finished is kept, and what was running goes on
            from its checkpoint when resumed.
        messages: warnings of the run, each once.
    """

    n_complete: int
    n_failed: int
    interrupted: bool
    messages: tuple[str, ...] = ()
    n_stopped: int = 0


def run_sweep(
    spec: SweepSpec,
    sweep: SweepDir,
    maker: TrialStarterFactory,
    *,
    view: View,
    resume: bool = False,
    more: int = 0,
    extra: tuple[Start, ...] = (),
    phase: str = "",
    follow_up: FollowUp | None = None,
    ray_address: str | None = None,
    n_cpus: int | None = None,
) -> Outcome:
    """Run trials until the budget is used up, or the user interrupts.

    Args:
        spec: what to search, and with what.
        sweep: its folder.
        maker: makes the TrialStarter in each worker; pickled.
        view: is shown the progress about once a second and whenever a trial ends.
        resume: go on with a folder that has results.
        more: trials beyond the budget and beyond those that earlier runs added.
        extra: points to run besides, counted like `more`; they run also where the search is over
            before its trials are all done.
        phase: what they are for, shown with the progress.
        follow_up: called once, after all of these trials have ended; the same workers run the
            points that it returns.
        ray_address: of a Ray cluster that shares the folder with this machine; None starts a local
            Ray.
        n_cpus: cores for the local Ray; None is all there are.

    Raises:
        ConfigError: a folder to start from is no sweep's.
        StoreError: the folder is in use, unreadable, or has results and neither `resume`, `more`
            nor `extra` is given.
        SweepError: Ray does not start, no trial fits, or one error fails trial after trial.
    """
    with sweep.lock():
        driver = _driver(
            spec, sweep, view, resume=resume, more=more, n_extra=len(extra), phase=phase
        )
        return _drive(driver, maker, extra, follow_up, ray_address, n_cpus)


def _driver(
    spec: SweepSpec,
    sweep: SweepDir,
    view: View,
    *,
    resume: bool,
    more: int,
    n_extra: int,
    phase: str,
) -> Driver:
    """The driver at its start. What it keeps of the results that there are is small; whole, with
    the scores of single examples, they are let go of here, before anything runs.
    """
    try:
        sweep_id(sweep)  # Before anything is written by which an earlier version is recognised.
    except OSError as error:
        what = f"{sweep.identity_path} cannot be written: {short_reason(error)}"
        raise StoreError(what) from error
    results = sweep.results()
    if results and not (resume or more or n_extra):
        raise StoreError(
            f"{sweep.root} already has {len(results)} results; resume it, add more trials, or"
            " choose another folder"
        )
    within_space = [result for result in results if spec.locate(result.config) is not None]
    stored = {result.trial_id for result in within_space}
    for trial in unfinished_trials(sweep):
        if trial.trial_id in stored:  # The driver ended between storing the result and this.
            trial.remove()
    goal = next_goal(
        spec.budget.trials,
        len(within_space),
        sweep.note(),
        more=more,
        n_extra=n_extra,
        trial_sec=trial_sec(within_space, (), 0.0),
    )
    driver = Driver(spec, sweep, within_space, goal, view, phase=phase)
    if spec.search.storage == "journal":
        driver.warn("search.storage: journal now means sqlite: study.db mirrors the results")
    for given in warm_start.take_up(spec, sweep):
        driver.warn(str(given))
    if strays := stray_note(sweep.strays()):
        driver.warn(strays)
    if len(results) > len(within_space):
        driver.warn(
            f"{len(results) - len(within_space)} results are of another search space: kept, but not"
            " counted"
        )
    return driver


def _drive(
    driver: Driver,
    maker: TrialStarterFactory,
    extra: tuple[Start, ...],
    follow_up: FollowUp | None,
    ray_address: str | None,
    n_cpus: int | None,
) -> Outcome:
    """From the first proposal to the last result; `_end` follows, however this ends."""
    follower = Follower(driver.sweep, driver.spec, driver.warn)
    try:
        with stoppable(driver):
            searcher = _searcher(driver, follower, extra, follow_up)
            if searcher.n_finished < driver.target:
                with (
                    ray_session(driver.spec.budget, address=ray_address, n_cpus=n_cpus) as session,
                    head_watch(driver.sweep, session.head, driver.view, session.node_socket),
                    stoppable(driver, waits=True),
                ):
                    run_tune(driver, searcher, session, maker)
            _store_waiting(driver, searcher)
            _conclude(driver, searcher)
    except KeyboardInterrupt:
        driver.stopping = True
    except BaseException:
        driver.state = "failed"
        raise
    finally:
        _end(driver, follower)
    statuses = Counter(result.status for result in driver.results)
    return Outcome(
        n_complete=statuses["complete"],
        n_failed=statuses["failed"],
        interrupted=driver.stopping,
        messages=driver.messages,
        n_stopped=statuses["stopped"],
    )


def _searcher(
    driver: Driver,
    follower: Follower,
    extra: tuple[Start, ...],
    follow_up: FollowUp | None,
) -> StudySearcher:
    """The search, whose results go to the mirrors and to the driver."""
    prior_data = warm_start.data_of(driver.sweep)

    def finished(result: TrialResult) -> None:
        follower.nudge(result.trial_id)
        provenance = result.provenance if isinstance(result, CompleteTrial) else None
        if provenance and prior_data - {provenance.dataset_fingerprint}:
            driver.warn(f"{CHANGED}: what they tell the search may mislead it")
        driver.finished(result)

    def follow_up_points() -> tuple[Start, ...]:
        if follow_up is None or not any(isinstance(r, CompleteTrial) for r in driver.results):
            return ()
        phase, starts = follow_up()
        driver.phase = phase if starts else driver.phase
        return starts

    searcher = StudySearcher(
        driver.spec,
        driver.sweep,
        target=driver.target,
        first=driver.spec.first,
        extra=extra,
        stop_reason=driver.stop_reason,
        on_finish=finished,
        on_trouble=driver.warn,
        stopping=lambda: driver.stopping,
        slots=lambda: driver.slots,
        follow_up=follow_up_points,
        on_target=lambda: driver.beat(now=True),
        on_wait=driver.beat,
    )
    driver.target_now = lambda: searcher.target
    driver.running = lambda: searcher.running
    driver.beat(now=True)
    return searcher


def _store_waiting(driver: Driver, searcher: StudySearcher) -> None:
    """Waits until the last results are stored too.

    If Ctrl-C ends it, their trials run again from their checkpoints.
    """
    searcher.store_queued(now=True)
    while searcher.waiting and not driver.stopping:
        searcher.store_queued()
        driver.beat()
        time.sleep(BEAT_SEC)


def _conclude(driver: Driver, searcher: StudySearcher) -> None:
    """Says how far the search came.

    Raises:
        SweepError: the search aborted.
    """
    if searcher.aborted is not None:
        raise searcher.aborted
    if driver.stopping:
        return
    if searcher.n_finished < driver.target:
        reached = f"after {searcher.n_finished} of {driver.target} trials"
        driver.warn(f"{searcher.over or 'nothing more was proposed'}, {reached}")
    driver.ended = searcher.n_finished
    # Now: the mirrors may take a minute yet, in which the driver may be killed.
    driver.beat(now=True)


def _end(driver: Driver, follower: Follower) -> None:
    """The end of every drive: finished, interrupted or failed."""
    interrupted = driver.stopping
    if driver.state != "failed":
        driver.state = "interrupted" if interrupted else "finished"
    if driver.state == "finished":
        for trial in unfinished_trials(driver.sweep):  # Of a lost record: no trial resumes them.
            trial.remove()
    if not follower.close(interrupted=interrupted, patience_sec=15.0 if interrupted else 60.0):
        driver.warn(BEHIND)
    driver.running = lambda: ()
    driver.beat(now=True)

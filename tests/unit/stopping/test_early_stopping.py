"""Early stopping through searcher and worker without Ray, and through the death of both at every
event.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from deft_sweeps.result import CompleteTrial, Point, TrialResult
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import RESULT
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Halving, Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.stopping.early_stopping import RungScheduler
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials
from deft_sweeps.study.optuna_study import POINTS, finished, rows_of
from deft_sweeps.sweep.trainable import TrialTrainable
from tests.fakes import N_STEPS, FakeMaker, fake_spec, plain

RUNGS = Halving().at(N_STEPS)
N_TRIALS = 9


def spec_of(sampler: SamplerName = "random") -> SweepSpec:
    spec = fake_spec(N_TRIALS, first=(plain(9e-3),), search=Search(sampler=sampler, seed=3))
    return replace(spec, stopping=Halving())


def points_of(result: TrialResult) -> tuple[Point, ...]:
    return result.points if isinstance(result, CompleteTrial) else ()


def trainable(proposal: dict[str, Any], sweep: SweepDir) -> TrialTrainable:
    worker = TrialTrainable.__new__(TrialTrainable)
    spec = spec_of()
    worker.setup(
        proposal,
        FakeMaker(sweep.root.parent),
        str(sweep.root),
        1,
        0.0,
        spec.stopping,
        spec.rung_thresholds,
    )
    return worker


def drive(
    sweep: SweepDir, sampler: SamplerName = "random", n_trials: int = N_TRIALS
) -> Iterator[str]:
    """One trial after the other, as Tune does it; yields wherever the driver and its worker may
    die.
    """
    spec = spec_of(sampler)
    searcher = StudySearcher(spec, sweep, target=n_trials, first=spec.first)
    number = 0
    while (proposal := searcher.suggest(f"tune-{number}")) != "FINISHED":
        assert isinstance(proposal, dict)
        worker = trainable(proposal, sweep)
        yield "proposed"
        while True:
            reported = worker.step()
            yield "reported"
            may_continue = RESULT not in reported and searcher.may_continue(
                f"tune-{number}", reported
            )
            yield "decided"
            if not may_continue:
                break
        searcher.on_trial_complete(f"tune-{number}", reported)
        yield "kept"
        number += 1


def endings(sweep: SweepDir) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {r.trial_id: (r.status, tuple(rung.step for rung in r.rungs)) for r in sweep.results()}


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory) -> SweepDir:
    """The sweep of a driver that never died."""
    sweep = SweepDir(tmp_path_factory.mktemp("through") / "sweep")
    for _ in drive(sweep):
        pass
    return sweep


def test_stopped_trials_keep_their_rungs_and_nothing_else(through: SweepDir) -> None:
    results = through.results()
    statuses = [result.status for result in results]
    assert statuses.count("stopped") >= 3
    assert statuses.count("complete") >= 2
    assert len(statuses) == N_TRIALS
    for result in results:
        measured = tuple(rung.step for rung in result.rungs)
        assert (
            measured == RUNGS[:-1]
            if result.status == "complete"
            else measured in (RUNGS[:1], RUNGS[:2])
        )
    assert unfinished_trials(through) == ()
    assert {p.stem for p in (through.root / "weights").iterdir()} == {
        r.trial_id for r in results if r.status == "complete"
    }


def test_the_study_has_every_point(through: SweepDir) -> None:
    spec = spec_of()
    trials = finished(StudySearcher(spec, through, target=N_TRIALS).study)
    assert len(trials) == N_TRIALS
    for trial in trials:
        result = through.result(trial.user_attrs["trial_id"])
        assert trial.state == (
            TrialState.COMPLETE if result.status == "complete" else TrialState.PRUNED
        )
        assert trial.user_attrs[POINTS] == rows_of(spec, result)


def test_a_point_that_was_asked_for_runs_to_its_end(through: SweepDir) -> None:
    spec = spec_of()
    requested = spec.config(spec.first[0]).trial_id(0)
    assert endings(through)[requested][0] == "complete"


@pytest.mark.parametrize("every", [1, 5])
def test_drivers_that_die_all_the_time_decide_as_one_that_never_does(
    tmp_path: Path, through: SweepDir, every: int
) -> None:
    """Each driver lives for `every` events and one more than the last, so that each kind of event
    is somebody's last.
    """
    sweep = SweepDir(tmp_path / "sweep")
    lives = every
    for _ in range(200):
        events = drive(sweep)
        if sum(1 for _, _ in zip(range(lives), events, strict=False)) < lives:
            break
        lives = lives + 1 if every > 1 else lives % 7 + 3
    assert endings(sweep) == endings(through)
    assert [points_of(sweep.result(r.trial_id)) == points_of(r) for r in through.results()] == [
        True
    ] * N_TRIALS
    measured = FakeMaker(tmp_path).notes("measure")
    assert len(measured) == len(set(measured)), "what was measured is not measured again"


def test_the_sampler_that_has_a_say_says_the_same_to_drivers_that_die(tmp_path: Path) -> None:
    through, sweep = SweepDir(tmp_path / "through"), SweepDir(tmp_path / "sweep")
    for _ in drive(through, "front", 2 * N_TRIALS):
        pass
    for _ in range(200):
        events = drive(sweep, "front", 2 * N_TRIALS)
        if sum(1 for _, _ in zip(range(7), events, strict=False)) < 7:
            break
    assert endings(sweep) == endings(through)
    assert {status for status, _ in endings(through).values()} == {"complete", "stopped"}


def test_a_lost_record_costs_no_trial_that_has_ended(tmp_path: Path, through: SweepDir) -> None:
    sweep = SweepDir(tmp_path / "sweep")
    n_kept = 0
    for event in drive(sweep):
        n_kept += event == "kept"
        if n_kept == 5:
            break
    sweep.pending_path.unlink()
    for _ in drive(sweep):
        pass
    half = list(endings(sweep).items())[:5]
    assert half == list(endings(through).items())[:5]
    trials = finished(StudySearcher(spec_of(), sweep, target=N_TRIALS).study)
    assert all(
        trial.user_attrs[POINTS] == rows_of(spec_of(), sweep.result(trial.user_attrs["trial_id"]))
        for trial in trials
    )


def test_a_free_worker_goes_to_the_latest_proposal_where_all_have_a_slot() -> None:
    """The worker of an earlier one is starting; without a slot of its own it has none that
    starts.
    """
    fits = True
    scheduler = RungScheduler(lambda *_: True, lambda *_: None, all_fit=lambda: fits)
    states = ["TERMINATED", "RUNNING", "PENDING", "RUNNING", "PENDING"]
    trials = [SimpleNamespace(trial_id=str(i), status=state) for i, state in enumerate(states)]
    controller = SimpleNamespace(get_trials=lambda: trials)
    assert scheduler.choose_trial_to_run(controller) is trials[4]
    fits = False
    assert scheduler.choose_trial_to_run(controller) is trials[2]
    trials[2].status = trials[4].status = "RUNNING"
    assert scheduler.choose_trial_to_run(controller) is None

"""Early stopping on a real Ray, with trials in closed form."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import RESULT
from deft_sweeps.specification.search_settings import Halving
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials
from deft_sweeps.sweep.progress import Progress
from deft_sweeps.sweep.runner import run_sweep
from deft_sweeps.sweep.trainable import TrialTrainable
from tests.fakes import N_STEPS, FakeMaker, fake_spec, plain, with_checkpoints
from tests.integration import drive_halving
from tests.running import counts_are_equal, drive, nothing_is_left, wait_for

RUNGS = Halving().at(N_STEPS)


def endings(sweep: SweepDir) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Status and rungs of every trial."""
    return {r.trial_id: (r.status, tuple(rung.step for rung in r.rungs)) for r in sweep.results()}


def by_hand(root: Path) -> SweepDir:
    """The sweep of `drive_halving` without Ray and without interruption."""
    sweep = SweepDir(root)
    spec = drive_halving.SPEC
    searcher = StudySearcher(spec, sweep, target=spec.budget.trials)
    for i in range(spec.budget.trials):
        proposal = searcher.suggest(f"tune-{i}")
        assert isinstance(proposal, dict)
        worker = TrialTrainable.__new__(TrialTrainable)
        worker.setup(
            proposal,
            FakeMaker(root.parent),
            str(root),
            stopping=spec.stopping,
            rung_thresholds=spec.rung_thresholds,
        )
        while RESULT not in (reported := worker.step()) and searcher.may_continue(
            f"tune-{i}", reported
        ):
            pass
        searcher.on_trial_complete(f"tune-{i}", reported)
    return sweep


@pytest.mark.usefixtures("one_ray")
def test_stopped_trials_are_pruned_counted_and_never_points(tmp_path: Path) -> None:
    dies = plain(1e-3)
    spec = replace(fake_spec(14, first=(dies,)), stopping=Halving())
    config = spec.config(dies)
    sweep, fakes = (
        SweepDir(tmp_path / "sweep"),
        FakeMaker(tmp_path, {config.config_id: "die_once"}, fault_step=3),
    )
    shown: list[Progress] = []
    outcome = run_sweep(with_checkpoints(spec), sweep, fakes, view=shown.append, n_cpus=2)

    results = sweep.results()
    stopped = [result for result in results if result.status == "stopped"]
    assert (outcome.n_complete + outcome.n_stopped, outcome.n_failed) == (14, 0)
    assert len(stopped) == outcome.n_stopped >= 1
    counts_are_equal(spec, sweep)
    nothing_is_left(sweep)
    assert {path.stem for path in (sweep.root / "weights").iterdir()} == {
        r.trial_id for r in results if r.status == "complete"
    }
    for result in results:
        measured = tuple(rung.step for rung in result.rungs)
        assert (
            measured == RUNGS[:-1]
            if result.status == "complete"
            else measured in (RUNGS[:1], RUNGS[:2])
        )
        assert all(not point.example_scores for rung in result.rungs for point in rung.points)
    assert endings(sweep)[config.trial_id(0)][0] == "complete", "somebody asked for this very point"
    assert fakes.notes("start").count((config.trial_id(0), 2)) == 1, (
        "its worker was lost after the first rung"
    )
    assert fakes.notes("measure").count((config.trial_id(0), 2)) == 1

    saved = shown[-1].saved_steps
    assert saved is not None
    steps = sum(
        result.rungs[-1].step if result.status == "stopped" else N_STEPS for result in results
    )
    assert (saved.n_stopped, saved.n_steps, saved.n_steps_whole) == (
        len(stopped),
        steps,
        14 * N_STEPS,
    )
    assert f"{len(stopped)} stopped early" in shown[-1].line

    client = MlflowClient(tracking_uri=sweep.mlflow_url)
    runs = client.search_runs(
        [e.experiment_id for e in client.search_experiments()],
        f"tags.trial_id = '{stopped[0].trial_id}'",
    )
    history = client.get_metric_history(runs[0].info.run_id, "rung/threshold_0.01/score")
    scores = [
        (rung.step, point.score.value)
        for rung in stopped[0].rungs
        for point in rung.points
        if point.threshold == 0.01
    ]
    assert [(metric.step, metric.value) for metric in history] == scores


@pytest.mark.sweeps
@pytest.mark.usefixtures("one_ray")
def test_a_driver_killed_between_rungs_decides_as_one_that_was_not(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    through = by_hand(tmp_path / "whole" / "sweep")
    assert {status for status, _ in endings(through).values()} == {"complete", "stopped"}
    sweep = SweepDir(tmp_path / "killed" / "sweep")
    process = drive(sweep.root, "tests.integration.drive_halving")
    wait_for(
        lambda: len(sweep.trial_ids()) >= 3 and any(t.rungs() for t in unfinished_trials(sweep)),
        process,
    )
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(sweep.trial_ids()) < drive_halving.SPEC.budget.trials
    run_sweep(
        drive_halving.SPEC,
        sweep,
        drive_halving.maker(sweep.root),
        view=lambda _: None,
        resume=True,
        n_cpus=1,
    )
    assert endings(sweep) == endings(through)
    counts_are_equal(drive_halving.SPEC, sweep)
    nothing_is_left(sweep)
    measured = drive_halving.maker(sweep.root).notes("measure")
    assert len(measured) == len(set(measured)), "a kill costs nothing that was measured"

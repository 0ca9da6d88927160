"""Whole sweeps on a real Ray, with trials in closed form."""

import io
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from deft_sweeps.errors import StoreError, SweepError
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials
from deft_sweeps.sweep.progress import LineView, Progress
from deft_sweeps.sweep.runner import run_sweep
from tests.fakes import N_STEPS, FakeMaker, Fault, fake_spec, plain, with_checkpoints
from tests.integration.drive import SPEC, TRIALS, maker
from tests.running import counts_are_equal, drive, nothing_is_left, wait_for
from tests.samples import error_of


@pytest.mark.usefixtures("one_ray")
def test_an_hour_that_is_over_ends_the_search_and_says_so(tmp_path: Path) -> None:
    """With no time at all nothing is proposed; the driver says how far it came."""
    spec = fake_spec(3)
    short = SweepSpec(**{**vars(spec), "budget": Budget(trials=3, hours=1e-9)})
    outcome = run_sweep(
        short, SweepDir(tmp_path / "sweep"), FakeMaker(tmp_path), view=lambda _: None, n_cpus=2
    )
    assert outcome.n_complete == 0
    assert len(outcome.messages) == 1
    assert outcome.messages[0].startswith("the hours of wall time are used up: ")
    assert outcome.messages[0].endswith(", after 0 of 3 trials")


@pytest.mark.sweeps
@pytest.mark.usefixtures("one_ray")
def test_more_of_a_search_that_its_hours_ended_is_only_that_much_more_and_is_gone_on_with(
    tmp_path: Path,
) -> None:
    """Cut off while measured, extended by two trials, and cut off again: only those two run."""
    sweep, fakes = SweepDir(tmp_path / "sweep"), FakeMaker(tmp_path)
    short = replace(fake_spec(40), budget=Budget(trials=40, hours=1e-9))
    run_sweep(short, sweep, fakes, view=lambda _: None, n_cpus=2)
    rewrite_note(sweep, state="measuring")
    outcome = run_sweep(short, sweep, fakes, view=lambda _: None, more=2, n_cpus=2)
    assert outcome.messages[0].endswith(", after 0 of 2 trials")

    rewrite_note(sweep, state="interrupted", ended=None, spent_sec=7200.0, since=(7200.0, 0.0))
    an_hour = replace(short, budget=replace(short.budget, hours=1.0))
    outcome = run_sweep(an_hour, sweep, fakes, view=lambda _: None, resume=True, n_cpus=2)
    assert (outcome.n_complete, outcome.messages) == (2, ())
    note = sweep.note()
    assert note is not None
    assert (note.state, note.ended, note.n_budget) == ("finished", 2, 2)


def rewrite_note(sweep: SweepDir, **said: Any) -> None:
    note = sweep.note()
    assert note is not None
    sweep.write_note(replace(note, **said))


@pytest.mark.sweeps
@pytest.mark.usefixtures("own_ray")
def test_a_trial_that_fits_on_no_machine_ends_the_sweep_at_once(tmp_path: Path) -> None:
    spec = fake_spec(2)
    big = SweepSpec(**{**vars(spec), "budget": Budget(trials=2, cpus_per_trial=64)})
    with pytest.raises(SweepError, match="a trial asks for 64 CPU, this machine has 2 CPU"):
        run_sweep(
            big, SweepDir(tmp_path / "sweep"), FakeMaker(tmp_path), view=lambda _: None, n_cpus=2
        )
    note = SweepDir(tmp_path / "sweep").note()
    assert note is not None
    assert note.state == "failed"


@pytest.mark.usefixtures("own_ray")
def test_a_sweep_with_every_kind_of_bad_trial(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad: dict[float, Fault] = {1e-3: "raise", 2e-3: "nan", 3e-3: "die_once", 4e-3: "die_always"}
    spec = fake_spec(12, first=tuple(plain(rate) for rate in bad))
    ids = {fault: spec.config(plain(rate)).trial_id(0) for rate, fault in bad.items()}
    faults = {spec.config(plain(rate)).config_id: fault for rate, fault in bad.items()}
    sweep, fakes, out = SweepDir(tmp_path / "sweep"), FakeMaker(tmp_path, faults), io.StringIO()
    shown: list[Progress] = []

    def view(progress: Progress) -> None:
        shown.append(progress)
        LineView(out)(progress)

    outcome = run_sweep(with_checkpoints(spec), sweep, fakes, view=view, n_cpus=2)

    assert (outcome.n_complete, outcome.n_failed, outcome.interrupted) == (9, 3, False)
    errors = {
        result.trial_id: result.error for result in sweep.results() if result.status == "failed"
    }
    assert errors[ids["raise"]] == "TrialError: loss is not finite at step 7"
    assert "loss" in errors[ids["nan"]]
    assert errors[ids["die_always"]].startswith(
        "its worker was lost 2 times, last: The actor is dead because its worker process"
    )
    assert fakes.notes("start").count((ids["die_once"], 6)) == 1, (
        "taken up again where its last checkpoint was"
    )
    assert any(ids["die_once"] in message for message in outcome.messages)
    assert [m.step for m in sweep.steps(ids["die_once"])] == list(range(1, N_STEPS + 1))
    counts_are_equal(spec, sweep)
    nothing_is_left(sweep)
    assert {path.stem for path in (sweep.root / "weights").iterdir()} == {
        r.trial_id for r in sweep.results() if r.status == "complete"
    }

    assert len(fakes.notes("worker")) <= 6, (
        "workers are reused: two at first, one for each of three deaths, one to spare"
    )
    assert max(progress.n_running for progress in shown) == 2
    assert shown[-1].n_done == shown[-1].n_budget == 12
    assert shown[-1].front
    assert any(progress.left_sec for progress in shown)
    note = sweep.note()
    assert note is not None
    assert (note.state, note.running, note.n_budget) == ("finished", (), 12)
    printed = capfd.readouterr()
    assert printed.out + printed.err == "", "neither Ray, Optuna nor MLflow talks into the display"

    with pytest.raises(StoreError, match="already has 12 results"):
        run_sweep(spec, sweep, fakes, view=view)


@pytest.mark.sweeps
@pytest.mark.usefixtures("one_ray")
def test_the_last_results_wait_for_room_like_the_others(tmp_path: Path) -> None:
    spec, sweep = fake_spec(2), SweepDir(tmp_path / "sweep")
    waited: list[Progress] = []

    def view(progress: Progress) -> None:
        results = sweep.root / "results"
        if not results.exists() and not waited:
            results.write_text("in the way")  # Stands for a full disk.
        if (
            any("cannot be written" in message for message in progress.messages)
            and not progress.n_running
            and results.is_file()
        ):
            waited.append(progress)
            if len(waited) > 2:
                results.unlink()

    outcome = run_sweep(spec, sweep, FakeMaker(tmp_path), view=view, n_cpus=2)
    assert (outcome.n_complete, outcome.n_failed, len(waited)) == (2, 0, 3)
    counts_are_equal(spec, sweep)
    nothing_is_left(sweep)


class NoPackage(FakeMaker):
    """Pickles here, and cannot be unpickled in a worker: what a node gives that has no package."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _not_there, (os.getpid(),)


def _not_there(pid: int) -> None:
    if os.getpid() != pid:
        raise ModuleNotFoundError(
            "No module named 'deft_sweeps', says https://ann:hunter2@hub/simple"
        )


@pytest.mark.sweeps
@pytest.mark.usefixtures("one_ray")
def test_a_trial_whose_worker_cannot_start_says_why(tmp_path: Path) -> None:
    spec, sweep = fake_spec(1, max_failures=0), SweepDir(tmp_path / "sweep")
    outcome = run_sweep(spec, sweep, NoPackage(tmp_path), view=lambda _: None, n_cpus=2)
    assert outcome.n_failed == 1
    (result,) = sweep.results()
    error = error_of(result)
    assert error.startswith("its worker was lost 1 times, last: ")
    assert "No module named 'deft_sweeps', says https://***@hub/simple" in error


def half_way(sweep: SweepDir) -> set[str]:
    """Trials that have a checkpoint and no result."""
    with_checkpoint = {t.trial_id for t in unfinished_trials(sweep) if t.checkpoint() is not None}
    return with_checkpoint - set(sweep.trial_ids())


@pytest.mark.usefixtures("own_ray")
def test_a_killed_an_interrupted_and_an_extended_sweep(tmp_path: Path) -> None:
    """One folder through kill -9, a second driver, Ctrl-C, a deleted study, a resumption on a
    cluster, and more trials.
    """
    sweep = SweepDir(tmp_path / "sweep")
    fakes = maker(sweep.root)

    first = drive(sweep.root)
    wait_for(lambda: len(sweep.trial_ids()) >= 2, first)
    with pytest.raises(StoreError, match="in use by another driver"):
        run_sweep(SPEC, sweep, fakes, view=lambda _: None, resume=True)
    wait_for(lambda: bool(half_way(sweep)), first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    contents = {
        trial_id: sweep.result_path(trial_id).read_bytes() for trial_id in sweep.trial_ids()
    }
    assert 2 <= len(contents) < TRIALS
    begun = half_way(sweep)
    assert begun

    second = drive(sweep.root)
    wait_for(lambda: len(sweep.trial_ids()) > len(contents), second)
    os.kill(second.pid, signal.SIGINT)
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 130, output
    assert "Traceback" not in output
    note = sweep.note()
    assert note is not None
    assert note.state == "interrupted"
    assert len(sweep.trial_ids()) < TRIALS
    for trial_id, content in contents.items():
        assert sweep.result_path(trial_id).read_bytes() == content

    (sweep.root / "study.db").unlink()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 2,
            "include_dashboard": False,
            "object_store_memory": 80 * 2**20,
        },
    )
    try:
        outcome = run_sweep(
            with_checkpoints(SPEC),
            sweep,
            fakes,
            view=lambda _: None,
            resume=True,
            ray_address=cluster.address,
        )
        assert (outcome.n_complete, outcome.n_failed, outcome.interrupted) == (TRIALS, 0, False)
        counts_are_equal(SPEC, sweep)

        outcome = run_sweep(
            SPEC,
            sweep,
            fakes,
            view=lambda _: None,
            more=1,
            extra=(plain(5e-3),),
            ray_address=cluster.address,
        )
    finally:
        cluster.shutdown()
    assert outcome.n_complete == TRIALS + 2
    assert SPEC.config(plain(5e-3)).trial_id(0) in sweep.trial_ids()
    counts_are_equal(SPEC, sweep)
    nothing_is_left(sweep)

    ran = Counter(trial_id for trial_id, _ in fakes.notes("finish"))
    assert set(sweep.trial_ids()) <= set(ran)
    assert all(ran[trial_id] == 1 for trial_id in contents), "no trial that was stored ran again"
    assert begun <= {trial_id for trial_id, step in fakes.notes("start") if step > 0}, (
        "what was running went on from its checkpoint"
    )

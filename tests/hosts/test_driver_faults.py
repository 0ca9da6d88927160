"""A driver that is killed, terminated, or started twice, on a cluster that goes on."""

import os
import signal
import time
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import BAD_INPUT, INTERRUPTED
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials
from tests.fakes import FakeMaker, fake_spec
from tests.hosts.drive_killed import MOMENTS
from tests.hosts.fault_checks import (
    drive,
    is_whole,
    kill,
    send,
    wait_for,
    workers,
)
from tests.hosts.machines import Host, Machines, ended
from tests.hosts.ray_cluster import RUN_SEC, RayCluster
from tests.running import counts_are_equal

pytestmark = pytest.mark.hosts

TRIALS = 3
STEP_SEC = 0.05
SLOW_SEC = 3


@pytest.fixture(scope="module")
def cluster(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> RayCluster:
    """A head and a worker, with room for one trial each."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "drivers")
    cluster.grow(2)
    return cluster


def options_of(phase: str) -> tuple[str, ...]:
    """Of a driver that is killed in this phase."""
    if phase == "training":
        return ()
    if phase == "measuring":
        return ("--slow", "any", "--slow-sec", str(SLOW_SEC))
    return ("--moment", phase)


def run_and_kill(phase: str, root: Path, cluster: RayCluster) -> float:
    """Kill a driver in a phase, and see its workers end; returns the time of day of the kill."""
    fakes, sweep = FakeMaker(root.parent), SweepDir(root)

    def checkpoints() -> set[Path]:
        return set(sweep.unfinished_path.glob("*/*/checkpoint"))

    earlier, n_slow = checkpoints(), len(fakes.notes("slow"))
    step_sec = 0.2 if phase == "training" else STEP_SEC
    command = drive(root, cluster, TRIALS, step_sec, *options_of(phase))
    process, log, _ = cluster.begin(cluster.hosts[1], command)
    with ended(process):
        if phase == "training":
            wait_for(lambda: checkpoints() - earlier, log, process)
        elif phase == "measuring":
            wait_for(lambda: len(fakes.notes("slow")) > n_slow, log, process)
        else:
            process.wait(RUN_SEC)
            assert "Outcome" not in log.read_text(), "it has killed itself"
        kill(process)
        killed_at = time.time()
        all_have_ended(root, cluster.hosts, log)
    return killed_at


def all_have_ended(root: Path, hosts: list[Host], log: Path) -> float:
    """Wait until no worker of an earlier driver runs; returns the time of day."""
    return wait_for(lambda: not any(workers(root, hosts).values()), log)


@pytest.mark.parametrize("phase", ["training", "measuring", *MOMENTS])
def test_a_driver_that_is_killed_twice_loses_and_doubles_nothing(
    phase: str, cluster: RayCluster, shared: Path
) -> None:
    """It is taken up from the same host, and then from another host of the cluster."""
    root = shared / phase.replace(" ", "-") / "sweep"
    sweep, fakes = SweepDir(root), FakeMaker(root.parent)
    killed_at = run_and_kill(phase, root, cluster)
    first, n_starts = {result.trial_id: result for result in sweep.results()}, fakes.notes("began")
    again_at = run_and_kill(phase, root, cluster)
    second = {result.trial_id: result for result in sweep.results()}
    again = [at - killed_at for _, at in fakes.notes("began")[len(n_starts) :]]
    done = cluster.run(cluster.hosts[0], drive(root, cluster, TRIALS, STEP_SEC))
    assert done.code == 0, done.output
    assert "waiting" not in done.output, "the lock was free"
    after = {result.trial_id: result for result in sweep.results()}
    assert {trial_id: after[trial_id] for trial_id in second} == second
    assert {trial_id: second[trial_id] for trial_id in first} == first
    lost, doubled = is_whole(root, TRIALS)
    elsewhere = [at - again_at for _, at in fakes.notes("began") if at > again_at]
    print(
        f"killed twice at {phase!r}: {len(first)}, then {len(second)} results, {lost} lost,"
        f" {doubled} doubled; trials again after {min(again, default=0):.0f} s on the same host,"
        f" {min(elsewhere, default=0):.0f} s on another"
    )
    assert (lost, doubled) == (0, 0)
    counts_are_equal(fake_spec(TRIALS), sweep)
    if phase == "training":
        assert any(step > 0 for _, step in fakes.notes("start")), "from a checkpoint"


def test_a_terminated_driver_frees_the_folder_and_its_trials_go_on_elsewhere(
    cluster: RayCluster, shared: Path
) -> None:
    """SIGTERM as a batch system sends it, with grace; then the next job, on another host."""
    root = shared / "terminated" / "sweep"
    sweep, fakes = SweepDir(root), FakeMaker(root.parent)
    process, log, _ = cluster.begin(cluster.hosts[1], drive(root, cluster, TRIALS, 0.3))
    with ended(process):
        wait_for(lambda: len(list(sweep.unfinished_path.glob("*/*/checkpoint"))) == 2, log, process)
        send(process, signal.SIGTERM)
        sent_at = time.time()
        code = process.wait(120)
        took_sec = time.time() - sent_at
    assert code == INTERRUPTED, log.read_text()
    note = sweep.note()
    assert note is not None
    assert (note.state, note.running) == ("interrupted", ())
    all_have_ended(root, cluster.hosts, log)
    unfinished = unfinished_trials(sweep)
    resumable = {trial.trial_id for trial in unfinished if trial.checkpoint() is not None}
    n_starts = len(fakes.notes("start"))
    done = cluster.run(cluster.hosts[0], drive(root, cluster, TRIALS, STEP_SEC))
    assert done.code == 0, done.output
    assert "waiting" not in done.output, "the folder is free"
    again = {trial_id: step for trial_id, step in fakes.notes("start")[n_starts:] if step > 0}
    assert set(again) == resumable, "each unfinished trial goes on from its checkpoint"
    assert resumable
    assert is_whole(root, TRIALS) == (0, 0)
    counts_are_equal(fake_spec(TRIALS), sweep)
    print(
        f"SIGTERM: exit code {code} after {took_sec:.1f} s; 0 lost, 0 doubled; trials go on from"
        f" steps {sorted(again.values())} of 20"
    )


def test_a_second_driver_on_another_host_is_refused_at_once(
    cluster: RayCluster, shared: Path
) -> None:
    root, held = shared / "twice" / "sweep", shared / "refused"
    command = drive(root, cluster, TRIALS, STEP_SEC, "--held", str(held))
    process, log, _ = cluster.begin(cluster.hosts[1], command)
    with ended(process):
        wait_for(lambda: FakeMaker(root.parent).notes("began"), log, process)
        note = SweepDir(root).note()
        assert note is not None
        second = cluster.run(cluster.hosts[0], drive(root, cluster, TRIALS, STEP_SEC))
        held.touch()
        assert process.wait(240) == 0, log.read_text()
    assert second.code == BAD_INPUT, second.output
    who = f"process {note.pid} on {cluster.hosts[1].name}"
    sentence = f"{root} is in use by another driver ({who}); wait for it, or stop it"
    assert second.output.strip() == sentence
    assert is_whole(root, TRIALS) == (0, 0)
    counts_are_equal(fake_spec(TRIALS), SweepDir(root))
    print(f"second driver: refused after {second.took_sec:.1f} s; 0 lost, 0 doubled")


def test_a_stopped_worker_is_ended_and_its_trial_goes_on(cluster: RayCluster, shared: Path) -> None:
    """Stopped from outside, on a host that the driver is not on."""
    root, host, held = shared / "stopped" / "sweep", cluster.hosts[0], shared / "stopped-worker"
    fakes = FakeMaker(root.parent)
    stall = ("--stall-minutes", "0.1", "--held", str(held))
    command = drive(root, cluster, TRIALS, STEP_SEC, *stall)
    process, log, _ = cluster.begin(cluster.hosts[1], command)
    with ended(process):
        wait_for(lambda: workers(root, [host])[host.name], log, process)
        (worker,) = workers(root, [host])[host.name]
        os.kill(worker, signal.SIGSTOP)
        held.touch()
        stopped_at = time.time()
        assert process.wait(240) == 0, log.read_text()
    assert "it reported no progress for 0.1 min" in log.read_text()
    assert worker not in [pid for pids in workers(root, [host]).values() for pid in pids]
    assert is_whole(root, TRIALS) == (0, 0)
    counts_are_equal(fake_spec(TRIALS), SweepDir(root))
    began = fakes.notes("began")
    again = next(at for i, (trial_id, at) in enumerate(began) if trial_id in dict(began[:i]))
    print(
        f"stopped worker, stall_minutes 0.1: 0 lost, 0 doubled, on again after"
        f" {again - stopped_at:.0f} s"
    )


def test_trials_end_on_a_node_whose_object_store_is_full(cluster: RayCluster, shared: Path) -> None:
    """Another driver holds 72 of its 80 MB, and this one, which starts there, ships 20 MB."""
    root, full, host = shared / "full" / "sweep", shared / "full-store", cluster.hosts[1]
    command = ["python", "-m", "tests.hosts.fill_store", cluster.address, str(full)]
    filler, filler_log, _ = cluster.begin(host, command)
    with ended(filler):
        wait_for(full.exists, filler_log, filler)
        command = drive(root, cluster, TRIALS, STEP_SEC, "--ballast-bytes", "20000000")
        done = cluster.run(host, command)
    assert done.code == 0, done.output
    lost, doubled = is_whole(root, TRIALS)
    print(f"full object store: {lost} lost, {doubled} doubled; ended after {done.took_sec:.0f} s")
    assert (lost, doubled) == (0, 0)
    counts_are_equal(fake_spec(TRIALS), SweepDir(root))

"""What a sweep does when a part of its cluster fails."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import FAILED
from deft_sweeps.result import complete_trials
from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials
from deft_sweeps.sweep.head_watch import CLUSTER_LOST, PATIENCE_SEC
from tests.fakes import N_STEPS, FakeMaker, fake_spec
from tests.hosts.drive import starts
from tests.hosts.fault_checks import weights_host
from tests.hosts.machines import Machines, ended
from tests.hosts.ray_cluster import SOON_DEAD, RayCluster
from tests.running import counts_are_equal

pytestmark = pytest.mark.hosts

CUT_SEC, SLOW_SEC = 20.0, 16


@pytest.fixture(scope="module")
def cluster(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> RayCluster:
    """A head and two workers, with room for one trial each."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "faults", SOON_DEAD)
    cluster.grow(3)
    return cluster


def drive(root: Path, cluster: RayCluster, trials: int, step_sec: float, *fault: str) -> list[str]:
    """The command of a driver."""
    root.parent.mkdir(exist_ok=True)
    settings = [str(root), cluster.address, str(trials), str(step_sec), *fault]
    return ["python", "-m", "tests.hosts.drive_faults", *settings]


def wait_for(holds: Callable[[], object], process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 120
    while not holds():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.1)


def lines_of_ray(output: str) -> list[str]:
    """What Ray itself has written into the display."""
    return [line for line in output.splitlines() if "\x1b" in line or line.startswith("(")]


def test_ten_deaths_of_workers_end_a_sweep_with_one_sentence(
    cluster: RayCluster, shared: Path
) -> None:
    """On several nodes, whose ids, addresses and processes Ray names in each of its texts."""
    root = shared / "deaths" / "sweep"
    done = cluster.run(cluster.hosts[0], drive(root, cluster, 40, 0.0, "dies"))
    assert done.code == FAILED, done.output
    assert len(SweepDir(root).results()) in (10, 11, 12), "those that ran beside the tenth end too"
    said = [line for line in done.output.splitlines() if line.startswith("the sweep failed: ")]
    assert len(said) == 1
    assert said[0].startswith("the sweep failed: 10 trials failed one after the other: its worker")
    assert lines_of_ray(done.output) == []


def test_a_worker_that_was_cut_off_changes_nothing_of_a_trial_that_went_on_elsewhere(
    cluster: RayCluster, shared: Path
) -> None:
    """It trains on beside the second attempt, since the shared folder is not cut off. Its node
    joins again.
    """
    root, victim = shared / "cut" / "sweep", cluster.hosts[2]
    sweep, notes = SweepDir(root), FakeMaker(root.parent)
    command = drive(root, cluster, 1000, 0.2, victim.name, str(SLOW_SEC))
    process, log, _ = cluster.begin(cluster.hosts[0], command)
    with ended(process):
        wait_for(lambda: notes.notes("slow"), process, log)
        (trial_id, _), *_ = notes.notes("slow")
        n_starts, cut_at = len(starts(root)), time.time()
        victim.cut_off()
        wait_for(lambda: time.time() >= cut_at + CUT_SEC, process, log)
        victim.plug_in()
        wait_for(lambda: victim.name in starts(root)[n_starts:], process, log)
        joined_at = time.time()
    output = log.read_text()
    results = complete_trials(sweep.results())
    assert len(results) == len(sweep.trial_ids())
    assert trial_id in sweep.trial_ids()
    assert notes.notes("finish").count((trial_id, N_STEPS)) == 2, "both attempts came to their end"
    for result in results:
        assert result.provenance is not None
        assert weights_host(sweep, result.trial_id) == result.provenance.device
    assert weights_host(sweep, trial_id) != victim.name
    assert {trial.trial_id for trial in unfinished_trials(sweep)}.isdisjoint(sweep.trial_ids())
    assert lines_of_ray(output) == []
    mirror = Mirror(sweep, "fake")
    mirror.catch_up()
    assert set(mirror.trials()) == set(sweep.trial_ids())
    lost = [line for line in output.splitlines() if "lost its worker" in line]
    print(f"joined again {joined_at - cut_at - CUT_SEC:.0f} s after the network was back; {lost}")
    again = [at for who, at in notes.notes("began") if who == trial_id]
    print(f"gone on with {again[1] - cut_at:.0f} s after the cut")


def test_the_folder_of_a_driver_whose_host_lost_power_is_free_at_once(
    machines: Machines, shared: Path, tmp_path: Path
) -> None:
    """The lock is the system's, and the second host shares it."""
    root = shared / "locked"
    first, second = machines.add(), machines.add()
    hold = (
        "import pathlib, sys, time; from deft_sweeps.store.sweep_dir import SweepDir\n"
        "with SweepDir(pathlib.Path(sys.argv[1])).lock(): print('held', flush=True);"
        " time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", hold, str(root)]
    log = tmp_path / "first.log"
    process = first.start([*command, "600"], log)
    wait_for(lambda: "held" in log.read_text(), process, log)
    first.power_off()
    another = second.start([*command, "0"], tmp_path / "second.log")
    assert another.wait(60) == 0, (tmp_path / "second.log").read_text()


def test_a_driver_whose_head_is_lost_says_what_to_do(
    cluster: RayCluster, machines: Machines, shared: Path, tmp_path: Path
) -> None:
    """And does it: the sweep goes on on another cluster."""
    root = shared / "lost" / "sweep"
    sweep = SweepDir(root)
    process, log, _ = cluster.begin(cluster.hosts[1], drive(root, cluster, 8, 0.3))
    with ended(process):
        wait_for(lambda: len(sweep.trial_ids()) >= 2, process, log)
        (gcs,) = cluster.hosts[0].pids_of("gcs_server")
        killed_at = time.monotonic()
        os.kill(gcs, signal.SIGKILL)
        code = process.wait(120)
        took_sec = time.monotonic() - killed_at
    output = log.read_text()
    print(f"lost the head: ended after {took_sec:.0f} s")
    assert code == CLUSTER_LOST, output
    assert took_sec < 2 * PATIENCE_SEC, "Ray itself would have ended it"
    lost, following = output.splitlines()[-2:]
    assert lost.startswith(f"the cluster is lost: its head at {cluster.address} has not answered")
    assert f"deft-sweeps run {root} --resume --ray-address {cluster.address}" in following
    note = sweep.note()
    assert note is not None
    assert (note.state, note.running) == ("cluster lost", ())
    assert lines_of_ray(output) == []
    before = {result.trial_id: result for result in sweep.results()}
    another = RayCluster(machines, tmp_path / "another")
    another.grow(2)
    done = another.run(another.hosts[0], drive(root, another, 8, 0.0))
    assert done.code == 0, done.output
    after = {result.trial_id: result for result in sweep.results()}
    assert len(after) == 8
    assert {trial_id: after[trial_id] for trial_id in before} == before
    counts_are_equal(fake_spec(8), sweep)

"""A head that keeps its state on a disk is killed and started again while a sweep runs."""

import os
import signal
import time
from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.head_watch import CLUSTER_LOST
from tests.fakes import FakeMaker, fake_spec
from tests.hosts.fault_checks import Watched, drive, is_whole
from tests.hosts.machines import Machines, ended
from tests.hosts.ray_cluster import RUN_SEC, Environment, RayCluster, Trait
from tests.running import counts_are_equal

pytestmark = pytest.mark.hosts

TRIALS = 6
PATIENT: Environment = {"RAY_gcs_rpc_server_reconnect_timeout_s": "240"}
"""A head starts again within about 5 s, and by default a driver waits 30 s for it. A machine that
is busy with other tests may need longer."""


@pytest.fixture(scope="module")
def cluster(
    machines: Machines, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> RayCluster:
    """A head that runs no trials, as cluster/README.md has it, and two workers."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "head", PATIENT)
    keeps = {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(shared / "gcs")}
    cluster.join(Trait(environment=keeps, n_cpus=0, starts_again=True))
    cluster.grow(2)
    return cluster


def test_trials_go_on_while_the_head_is_started_again(cluster: RayCluster, shared: Path) -> None:
    """The driver and the workers wait for it; no trial begins twice."""
    root = shared / "restart" / "sweep"
    sweep, fakes = SweepDir(root), FakeMaker(root.parent)
    command = drive(root, cluster, TRIALS, 0.4)
    process, log, _ = cluster.begin(cluster.hosts[1], command, PATIENT)
    watched = Watched(root, process, log)
    with ended(process):
        watched.wait_for(lambda: len(watched.places()) >= 2 and len(sweep.trial_ids()) >= 1)
        (gcs,) = cluster.hosts[0].pids_of("gcs_server")
        os.kill(gcs, signal.SIGKILL)
        killed_at = time.time()
        back_at = watched.wait_for(lambda: set(cluster.hosts[0].pids_of("gcs_server")) - {gcs})
        n_results, n_starts = len(sweep.trial_ids()), len(watched.places())
        watched.wait_for(lambda: len(watched.places()) > n_starts)
        begun_at = time.time()
        code = process.wait(RUN_SEC)
    output = log.read_text()
    assert code == 0, output
    lost, doubled = is_whole(root, TRIALS)
    n_again = len(fakes.notes("began")) - TRIALS
    print(
        f"head killed: its GCS is up {back_at - killed_at:.0f} s later, {n_results} results then;"
        f" next trial begins {begun_at - killed_at:.0f} s after the kill; {n_again} trials began"
        f" twice; {lost} lost, {doubled} doubled"
    )
    assert (lost, doubled) == (0, 0)
    counts_are_equal(fake_spec(TRIALS), sweep)


def test_a_driver_on_the_heads_own_host_ends_with_its_node_and_goes_on_elsewhere(
    cluster: RayCluster, shared: Path
) -> None:
    """Ray alone would let it wait for ever: its workers end, and none starts again."""
    root = shared / "headless" / "sweep"
    sweep = SweepDir(root)
    process, log, _ = cluster.begin(cluster.hosts[0], drive(root, cluster, TRIALS, 0.4), PATIENT)
    watched = Watched(root, process, log)
    with ended(process):
        watched.wait_for(lambda: len(watched.places()) >= 2)
        (gcs,) = cluster.hosts[0].pids_of("gcs_server")
        os.kill(gcs, signal.SIGKILL)
        killed_at = time.time()
        code = process.wait(RUN_SEC)
        took_sec = time.time() - killed_at
    assert code == CLUSTER_LOST, log.read_text()
    lost, following = log.read_text().splitlines()[-2:]
    assert lost.startswith("the cluster is lost: the Ray node of this host")
    assert f"deft-sweeps run {root} --resume --ray-address {cluster.address}" in following
    done = cluster.run(cluster.hosts[1], drive(root, cluster, TRIALS, 0.0), PATIENT)
    assert done.code == 0, done.output
    assert is_whole(root, TRIALS) == (0, 0)
    counts_are_equal(fake_spec(TRIALS), sweep)
    print(f"driver on the head's host: exit code {code} after {took_sec:.0f} s; 0 lost, 0 doubled")

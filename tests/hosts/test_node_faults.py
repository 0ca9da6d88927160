"""Nodes that fail one after the other while one sweep runs, with Ray's own health settings."""

import os
import signal
import time
from pathlib import Path

import pytest

from deft_sweeps.result import complete_trials
from deft_sweeps.store.sweep_dir import SweepDir
from tests.fakes import N_STEPS, FakeMaker, fake_spec
from tests.hosts.fault_checks import Watched, drive, is_whole, send, weights_host, workers
from tests.hosts.machines import Machines, ended
from tests.hosts.ray_cluster import RayCluster
from tests.running import counts_are_equal

pytestmark = pytest.mark.hosts

CUT_SEC, SLOW_SEC = 120, 45
"""A node that does not reach the head ends itself after 60 s, and the head gives it up after about
65 s: a measurement of 45 s ends on the cut node, and cannot be reported."""
TRIALS = 120
STEP_SEC = 0.4


@pytest.fixture(scope="module")
def cluster(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> RayCluster:
    """A head and three workers, with room for one trial each; a test adds a fifth."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "nodes")
    cluster.grow(4)
    return cluster


def test_a_sweep_outlives_what_happens_to_its_nodes(cluster: RayCluster, shared: Path) -> None:
    """One is cut off for 120 s, a worker of another dies in mid-step, a third loses power, a fourth
    joins. The first one joins again, and whatever its workers wrote meanwhile changes nothing.
    """
    root = shared / "nodes" / "sweep"
    sweep, fakes = SweepDir(root), FakeMaker(root.parent)
    head, cut, struck, dark = cluster.hosts
    slow = ("--slow", cut.name, "--slow-sec", str(SLOW_SEC))
    process, log, _ = cluster.begin(head, drive(root, cluster, TRIALS, STEP_SEC, *slow))
    watched, said = Watched(root, process, log), []
    with ended(process):
        watched.wait_for(lambda: fakes.notes("slow"))
        (zombie, _), *_ = fakes.notes("slow")
        cut_at = time.time()
        cut.cut_off()

        trial_id, lost_at = watched.begins_on(struck), time.time()
        for worker in workers(root, [struck])[struck.name]:
            os.kill(worker, signal.SIGKILL)
        said.append(f"worker killed: {watched.again_after(trial_id, lost_at)}")
        said.append(f"node cut off: {watched.again_after(zombie, cut_at)}, elsewhere")

        trial_id, lost_at = watched.begins_on(dark), time.time()
        dark.power_off()
        (fresh,) = cluster.grow(1)
        watched.begins_on(fresh)
        said.append(f"node added: it trains {time.time() - lost_at:.0f} s after its start")
        said.append(f"node without power: {watched.again_after(trial_id, lost_at)}")

        plugged_at = watched.wait_for(lambda: time.time() >= cut_at + CUT_SEC)
        cut.plug_in()
        watched.begins_on(cut)
        said.append(f"cut node: it trains {time.time() - plugged_at:.0f} s after the cut")
        send(process, signal.SIGTERM)
        process.wait(120)
    n_zombies = fakes.notes("finish").count((zombie, N_STEPS)) - 1
    said.append(f"the cut worker came to its end {n_zombies} times")
    done = cluster.run(head, drive(root, cluster, TRIALS, 0.0))
    assert done.code == 0, done.output
    lost, doubled = is_whole(root, TRIALS)
    print("; ".join([f"{TRIALS} trials, {lost} lost, {doubled} doubled", *said]))
    assert (lost, doubled) == (0, 0)
    for result in complete_trials(sweep.results()):
        assert result.provenance is not None
        assert weights_host(sweep, result.trial_id) == result.provenance.device
    assert weights_host(sweep, zombie) != cut.name
    counts_are_equal(fake_spec(TRIALS), sweep)

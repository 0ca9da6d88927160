"""A sweep whose concurrency is left to the cluster uses all of it, and a host that joins."""

import os
import time
from pathlib import Path

import pytest

from tests.fakes import N_STEPS
from tests.hosts.drive import starts
from tests.hosts.machines import Machines, ended
from tests.hosts.ray_cluster import RayCluster, Trait, wait_until
from tests.hosts.slot_use import busy_share, full_at, spans_of

pytestmark = pytest.mark.hosts

TRIAL_SEC, N_SLOTS = 6.0, 4
MOST_IDLE = 0.6
"""Only a guard: on quiet cores less than a hundredth of the slots' time is idle."""


def test_every_slot_is_busy_and_a_host_that_joins_is_used(
    machines: Machines, shared: Path, tmp_path: Path
) -> None:
    root = shared / "use" / "sweep"
    root.parent.mkdir()
    cluster = RayCluster(machines, tmp_path / "logs")
    cluster.join(*[Trait(n_cpus=2)] * 2)
    settings = map(str, (root, cluster.address, 1000, TRIAL_SEC / N_STEPS))
    command = ["python", "-m", "tests.hosts.drive", *settings]
    process, log, _ = cluster.begin(cluster.hosts[0], command)
    with ended(process):

        def has(condition: bool) -> bool:
            assert process.poll() is None, log.read_text()
            return condition

        wait_until(lambda: has(full_at(spans_of(root), N_SLOTS) < time.time()), log)
        wait_until(lambda: has(len(spans_of(root)) >= 4 * N_SLOTS), log)
        (late,) = cluster.join(Trait(n_cpus=2))
        wait_until(lambda: has(late.name in starts(root)), log)
        trials = [span for span in spans_of(root) if span.host != late.name]
    begin, end = full_at(trials, N_SLOTS), max(span.start for span in trials)
    share = busy_share(trials, N_SLOTS, begin, end)
    print(f"{100 * share:.1f} % of the slots busy over {end - begin:.0f} s")
    assert share > 1.0 - MOST_IDLE
    for host in cluster.hosts:
        turns = Path(f"/proc/{host.init}/root/tmp/deft-sweeps-loading-{os.getuid()}")
        assert list(turns.glob("*.lock")), "workers took turns"

"""A trial that fits on no node waits if Ray's autoscaler may add one that it fits on.

The autoscaler is Ray's own. The node that it would add is started by hand: Ray's provider for tests
cannot start one with memory.
"""

import json
from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from tests.hosts.drive import starts
from tests.hosts.machines import Machines, ended
from tests.hosts.ray_cluster import RUN_SEC, RayCluster, Trait, wait_until

pytestmark = pytest.mark.hosts

HEAD_ID = "f" * 56
AUTOSCALING = {
    "cluster_name": "growing",
    "max_workers": 1,
    "upscaling_speed": 1.0,
    "idle_timeout_minutes": 5,
    "provider": {
        "type": "fake_multinode",
        "head_node_id": HEAD_ID,
        "use_node_id_as_ip": True,
    },
    "auth": {},
    "docker": {},
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
        "large": {
            "resources": {"CPU": 2},
            "node_config": {},
            "min_workers": 0,
            "max_workers": 1,
        },
    },
    "head_node_type": "ray.head.default",
    "file_mounts": {},
    "cluster_synced_files": [],
    "file_mounts_sync_continuously": False,
    "rsync_exclude": [],
    "rsync_filter": [],
    "initialization_commands": [],
    "setup_commands": [],
    "head_setup_commands": [],
    "worker_setup_commands": [],
    "head_start_ray_commands": [],
    "worker_start_ray_commands": [],
}


@pytest.fixture(scope="module")
def growing(
    machines: Machines, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> RayCluster:
    """A head of one core, whose autoscaler has a node type of two."""
    config = shared / "autoscaling.yaml"
    config.write_text(json.dumps(AUTOSCALING))
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "growing")
    environment = {
        "RAY_FAKE_CLUSTER": "1",
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    }
    options = ("--autoscaling-config", str(config))
    cluster.join(Trait(environment=environment, options=options))
    return cluster


def test_a_trial_waits_for_a_node_that_it_fits_on(growing: RayCluster, shared: Path) -> None:
    root = shared / "grown" / "sweep"
    root.parent.mkdir()
    arguments = [root, growing.address, 1, 0.0, 2]
    command = ["python", "-m", "tests.hosts.drive", *map(str, arguments)]
    process, log, _ = growing.begin(growing.hosts[0], command)
    with ended(process):

        def is_waiting() -> bool:
            note = SweepDir(root).note()
            return note is not None and note.under_way == "0 running, 1 waiting for resources"

        wait_until(lambda: is_waiting() or process.poll() is not None, log)
        assert process.poll() is None, log.read_text()
        (large,) = growing.join(Trait(n_cpus=2))
        assert process.wait(RUN_SEC) == 0, log.read_text()
    assert starts(root) == [large.name]
    assert "no node of the cluster can take a trial, which needs 2 CPU" in log.read_text()

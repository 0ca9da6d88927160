"""A trial that fits on no node waits where Ray's autoscaler adds one that it fits on."""

import json
from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from tests.hosts.machines import NETWORK, Machines, ended
from tests.hosts.ray_cluster import PORT, RUN_SEC, RayCluster, Trait, wait_until

pytestmark = pytest.mark.hosts

HEAD = f"{NETWORK}.10:{PORT}"
AUTOSCALING = {
    "cluster_name": "growing",
    "max_workers": 1,
    "upscaling_speed": 1.0,
    "idle_timeout_minutes": 5,
    # Ray's own provider that starts a node as processes of the head's machine.
    "provider": {"type": "fake_multinode", "gcs_address": HEAD},
    "auth": {},
    "docker": {},
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
        "large": {
            "resources": {"CPU": 2, "object_store_memory": 80_000_000},
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
    """A head of one core whose autoscaler may start a node of two."""
    config = shared / "autoscaling.yaml"
    config.write_text(json.dumps(AUTOSCALING))
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "growing")
    environment = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    options = ("--autoscaling-config", str(config))
    (head,) = cluster.join(Trait(environment=environment, options=options))
    assert f"{head.ip}:{PORT}" == HEAD
    return cluster


def test_a_trial_waits_for_the_node_that_it_fits_on(growing: RayCluster, shared: Path) -> None:
    root = shared / "grown" / "sweep"
    root.parent.mkdir()
    arguments = [root, growing.address, 1, 0.0, 2]
    command = ["python", "-m", "tests.hosts.drive", *map(str, arguments)]
    process, log, _ = growing.begin(growing.hosts[0], command)
    with ended(process):

        def is_waiting() -> bool:
            note = SweepDir(root).note()
            return note is not None and note.under_way == "0 running, 1 waiting for resources"

        wait_until(is_waiting, log)
        wait_until(lambda: len(SweepDir(root).results()) == 1, log)
        assert process.wait(RUN_SEC) == 0
    assert "no node of the cluster can take a trial, which needs 2 CPU" in log.read_text()

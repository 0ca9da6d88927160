"""A cluster without a token is used as a whole, with no setting."""

from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from tests.hosts.drive import starts
from tests.hosts.machines import Machines, ended
from tests.hosts.ray_cluster import RayCluster, leave_token, tasks_on_all, wait_until

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def cluster(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> RayCluster:
    """Three hosts with room for one trial each; tests may add more."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "ray")
    cluster.grow(3)
    return cluster


def drive(root: Path, cluster: RayCluster, trials: int, step_sec: float) -> list[str]:
    """The command of a driver."""
    return [
        "python",
        "-m",
        "tests.hosts.drive",
        str(root),
        cluster.address,
        str(trials),
        str(step_sec),
    ]


def test_every_host_trains(cluster: RayCluster, shared: Path) -> None:
    """Six trials of 10 s; a host that is free gets one, also while others become free."""
    root = shared / "six" / "sweep"
    root.parent.mkdir()
    done = cluster.run(cluster.hosts[0], drive(root, cluster, 6, 0.5))
    assert done.code == 0, done.output
    assert len(SweepDir(root).results()) == 6
    assert set(starts(root)) == {host.name for host in cluster.hosts}, done.output


def test_a_host_that_joins_while_the_sweep_runs_trains_too(
    cluster: RayCluster, shared: Path
) -> None:
    """Trials of 3 s on three hosts end more often than a worker starts on the fourth."""
    root = shared / "grown" / "sweep"
    root.parent.mkdir()
    process, log, _ = cluster.begin(cluster.hosts[0], drive(root, cluster, 1000, 0.15))
    with ended(process):
        wait_until(lambda: len(SweepDir(root).results()) >= 3, log)
        assert len(set(starts(root))) == 3
        (joined,) = cluster.grow(1)
        wait_until(lambda: joined.name in starts(root), log)


@pytest.mark.parametrize(("token", "address"), [("a" * 64, ""), (None, "auto")])
def test_a_token_that_a_local_ray_left_does_no_harm(
    token: str | None, address: str, cluster: RayCluster
) -> None:
    leave_token(cluster, token)
    tasks_on_all(cluster, {}, address)

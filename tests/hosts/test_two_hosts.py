"""The gate's part of these tests: two hosts behind a token share a sweep."""

from pathlib import Path

import pytest

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.store.sweep_dir import SweepDir
from tests.fakes import fake_spec
from tests.hosts.drive import starts
from tests.hosts.machines import Machines
from tests.hosts.ray_cluster import Environment, RayCluster
from tests.running import counts_are_equal

TRIALS = 4


@pytest.fixture(scope="module")
def token(shared: Path) -> Environment:
    """What cluster/README.md says to set on every node."""
    path = shared / "token"
    path.write_text("d" * 64)
    path.chmod(0o600)
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


def test_two_hosts_share_a_sweep_behind_a_token(
    machines: Machines, token: Environment, shared: Path, tmp_path: Path
) -> None:
    """A driver without the token is refused. One that has it trains on both hosts at a time."""
    cluster = RayCluster(machines, tmp_path / "logs", token)
    head, other = cluster.grow(2)
    root = shared / "two" / "sweep"
    root.parent.mkdir()
    arguments = [root, cluster.address, TRIALS, 0.1, 1, 2]
    command = ["python", "-m", "tests.hosts.drive", *map(str, arguments)]
    refused = cluster.run(head, command)
    assert refused.code == BAD_INPUT, refused.output
    assert "the cluster demands credentials" in refused.output
    done = cluster.run(head, command, token)
    assert done.code == 0, done.output
    assert set(starts(root)) == {head.name, other.name}
    results = SweepDir(root).results()
    assert [result.status for result in results] == ["complete"] * TRIALS
    counts_are_equal(fake_spec(TRIALS), SweepDir(root))

"""The token that a local Ray leaves in the home folder: on the head alone, and on every node."""

import pytest

from tests.hosts.machines import Machines
from tests.hosts.ray_cluster import (
    LEFT_BY_LOCAL_RAY,
    Environment,
    RayCluster,
    Trait,
    tasks_on_all,
)

pytestmark = pytest.mark.hosts

LEFT = Trait(
    f"mkdir -p $(dirname {LEFT_BY_LOCAL_RAY});"
    f" printf %s {'c' * 64} > {LEFT_BY_LOCAL_RAY}; chmod 600 {LEFT_BY_LOCAL_RAY}"
)
MODE: Environment = {"RAY_AUTH_MODE": "token"}


@pytest.fixture(scope="module")
def everywhere(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> RayCluster:
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "everywhere", MODE)
    cluster.join(LEFT, LEFT)
    return cluster


@pytest.mark.parametrize("by", ["address", "auto"])
def test_a_file_everywhere_and_the_mode_make_a_cluster(everywhere: RayCluster, by: str) -> None:
    """The driver needs neither: it sends the token that it has."""
    tasks_on_all(everywhere, {}, everywhere.address if by == "address" else "auto")


def test_a_file_on_the_head_alone_keeps_workers_away_and_not_the_driver(
    machines: Machines, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without the mode `ray start --head` demands the token that it finds."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "head")
    cluster.join(LEFT)
    for address in (cluster.address, "auto"):
        tasks_on_all(cluster, {}, address)
    with pytest.raises(RuntimeError, match="did not start") as error:
        cluster.join(Trait())
    assert "AuthenticationError" in str(error.value)

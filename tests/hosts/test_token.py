"""A driver attaches to a cluster that demands a token, or says in one sentence why it cannot."""

from pathlib import Path

import pytest

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.store.sweep_dir import SweepDir
from tests.hosts.drive import starts
from tests.hosts.machines import Machines
from tests.hosts.ray_cluster import PORT, Ended, Environment, RayCluster, leave_token, tasks_on_all

pytestmark = pytest.mark.hosts

SENTENCE_SEC = 20.0
TOKEN, ANOTHER = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def token_file(shared: Path) -> Path:
    path = shared / "token"
    path.write_text(f"{TOKEN}\n")  # As the commands there write it.
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def recipe(token_file: Path) -> Environment:
    """What cluster/README.md says to set on every node."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file)}


@pytest.fixture(scope="module")
def closed(
    machines: Machines, recipe: Environment, tmp_path_factory: pytest.TempPathFactory
) -> RayCluster:
    """A head and a worker with a token; the head also has one that a local Ray left."""
    cluster = RayCluster(machines, tmp_path_factory.mktemp("logs") / "closed", recipe)
    cluster.grow(2)
    return cluster


def sweep_on_both(cluster: RayCluster, root: Path, environment: Environment) -> None:
    """A sweep from the head, of which each host must train a part."""
    root.parent.mkdir()
    command = ["python", "-m", "tests.hosts.drive", str(root), cluster.address, "4", "0.1"]
    done = cluster.run(cluster.hosts[0], command, environment)
    assert done.code == 0, done.output
    assert len(SweepDir(root).results()) == 4
    assert set(starts(root)) == {host.name for host in cluster.hosts}


def refused(cluster: RayCluster, address: str, root: Path, environment: Environment) -> str:
    """What the command line says, which must be one line, the code of bad input, and soon."""
    command = [
        "deft-sweeps",
        "run",
        "search_spaces/quickstart.yaml",
        "--out",
        str(root),
        "--ray-address",
        address,
    ]
    done = cluster.run(cluster.hosts[0], command, environment)
    assert done.code == BAD_INPUT, done.output
    assert done.took_sec < SENTENCE_SEC, done.output
    return the_line(done)


def the_line(done: Ended) -> str:
    lines = [line for line in done.output.splitlines() if line.startswith("--ray-address")]
    assert len(lines) == 1, done.output
    assert "Traceback" not in done.output
    return lines[0]


def test_a_driver_uses_the_token_of_the_nodes(
    closed: RayCluster, recipe: Environment, shared: Path
) -> None:
    leave_token(closed, ANOTHER)
    sweep_on_both(closed, shared / "recipe" / "sweep", recipe)


@pytest.mark.parametrize(("source", "address"), [("file", ""), ("environment", "auto")])
def test_a_driver_sends_a_token_that_it_has_without_a_mode(
    source: str, address: str, closed: RayCluster
) -> None:
    leave_token(closed, TOKEN if source == "file" else ANOTHER)
    tasks_on_all(closed, {"RAY_AUTH_TOKEN": TOKEN} if source == "environment" else {}, address)


def test_a_driver_without_the_token_says_so(
    closed: RayCluster, token_file: Path, shared: Path
) -> None:
    leave_token(closed, None)
    for environment in ({}, {"RAY_AUTH_MODE": "token"}):
        line = refused(closed, closed.address, shared / "refused", environment)
        what = (
            f"--ray-address {closed.address}: the cluster demands credentials, and there are none"
            " here ("
        )
        assert line.startswith(what)
        assert "RAY_AUTH_TOKEN_PATH" in line
    environment = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN_PATH": str(token_file)}
    line = refused(closed, closed.address, shared / "refused", environment)
    assert "RAY_AUTH_MODE=disabled withholds (unset it" in line


def test_a_driver_with_another_token_says_which(closed: RayCluster, shared: Path) -> None:
    leave_token(closed, ANOTHER)
    line = refused(closed, closed.address, shared / "refused", {})
    assert "the cluster refuses the credentials in ~/.ray/auth_token (" in line
    line = refused(
        closed,
        closed.address,
        shared / "refused",
        {"RAY_AUTH_TOKEN": ANOTHER, "RAY_AUTH_MODE": "token"},
    )
    assert "the cluster refuses the credentials in RAY_AUTH_TOKEN (" in line


def test_an_address_without_a_cluster_says_so(closed: RayCluster, shared: Path) -> None:
    """A port that nobody listens on, and a host that is not there."""
    for address in (f"{closed.hosts[0].ip}:{PORT - 1}", f"10.77.0.250:{PORT}"):
        assert "nothing answers there" in refused(closed, address, shared / "refused", {})

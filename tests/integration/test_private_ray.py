"""A local Ray is closed to other users of the machine, and leaves nothing behind that is not."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray

from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.sweep.local_ray import ray_session
from tests.conftest import SharedRay
from tests.other_user import as_nobody, require_root

pytestmark = pytest.mark.sweeps

SERVERS = {"gcs_server", "raylet", "ray::RuntimeEnvAgent", "ray::DashboardAgent"}
VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

CONNECT = """
try:
    client = GcsClient(address={address!r})
    client.internal_kv_put(b"key", b"value", True, None, 5.0)
    print("connected")
except Exception as error:
    print(type(error).__name__, str(error))
"""
POST = """
connection = http.client.HTTPConnection({host!r}, {port}, timeout=10)
connection.request("POST", "/get_or_create_runtime_env", b"")
print(connection.getresponse().status)
"""
READ = """
for path in {paths!r}:
    try:
        print(os.listdir(path) if os.path.isdir(path) else open(path, "rb").read())
    except PermissionError:
        print("closed")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home folder, and no settings of Ray's tokens."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOME", str(folder))
        for name in VARIABLES:
            environment.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def token(shared_ray: SharedRay, home: Path) -> Iterator[str]:
    """The token of a Ray that is up and has a worker; for the tests after those that start one."""
    shared_ray.stop()
    with ray_session(Budget(trials=1), n_cpus=1):
        ray.get(ray.remote(lambda: None).remote())
        yield os.environ["RAY_AUTH_TOKEN"]


def processes() -> list[psutil.Process]:
    """This one and all of its Ray."""
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def test_each_session_has_a_token_of_its_own_and_the_users_settings_come_back(
    own_ray: None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "token").write_text("a" * 64)
    own = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN_PATH": str(home / "token")}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    tokens = set()
    for _ in range(2):
        with ray_session(Budget(trials=1), n_cpus=1):
            worker = ray.remote(lambda: [os.environ.get(name) for name in VARIABLES[:2]])
            mode, token = ray.get(worker.remote())
            assert mode == "token"
            tokens.add(token)
        assert {name: os.environ[name] for name in VARIABLES if name in os.environ} == own
    assert len(tokens) == 2
    # A Ray that the user starts afterwards follows the user's settings, not the last session's.
    ray.init(num_cpus=1, include_dashboard=False, logging_level="CRITICAL", log_to_driver=False)
    try:
        mode, token = ray.get(worker.remote())
        assert (mode, token) == ("disabled", None)
    finally:
        ray.shutdown()


def test_every_server_of_a_local_ray_listens_on_loopback_only(token: str) -> None:
    names = set()
    for process in processes():
        names.add(process.name())
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN or not connection.raddr:
                where = connection.laddr.ip.removeprefix("::ffff:")
                assert where in ("127.0.0.1", "::1"), (process.name(), connection.laddr)
    assert names >= SERVERS, "a process of Ray's was not looked at"


def test_the_token_is_in_the_environment_and_nowhere_else(token: str, home: Path) -> None:
    assert len(token) == 64
    for process in processes()[1:]:
        assert token not in " ".join(process.cmdline()), process.name()
    scratch = scratch_folder()
    files = [path for path in scratch.rglob("*") if path.is_file()]
    assert len(files) > 5, "Ray's logs are there"
    for path in (*files, *Path("/dev/shm").iterdir()):
        assert not path.is_file() or token.encode() not in path.read_bytes(), path
    assert list(home.rglob("auth_token")) == []


def test_another_user_cannot_use_a_local_ray_without_its_token(token: str) -> None:
    require_root()
    address = ray.get_runtime_context().gcs_address
    imports = "import ray; from ray._raylet import GcsClient"
    connect = CONNECT.format(address=address)
    for mode in ("token", "disabled"):
        strange = {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": "0" * 64}
        assert as_nobody(imports, connect, environment=strange).startswith("AuthenticationError")
    right = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    assert as_nobody(imports, connect, environment=right) == "connected", "it is the token"
    agents = [process for process in processes() if process.name() == "ray::RuntimeEnvAgent"]
    ((host, port),) = (tuple(c.laddr) for c in agents[0].net_connections() if not c.raddr)
    assert (
        as_nobody("import encodings.idna, http.client", POST.format(host=host, port=port)) == "401"
    )


def test_another_user_reads_neither_the_token_nor_the_scratch_folder(token: str) -> None:
    require_root()
    scratch = scratch_folder()
    inside = next(path for path in scratch.rglob("*.log") if path.is_file())
    environments = [f"/proc/{process.pid}/environ" for process in processes()]
    paths = [str(scratch), str(scratch / "ray"), str(inside), *environments]
    assert as_nobody("", READ.format(paths=paths)).splitlines() == ["closed"] * len(paths)


def scratch_folder() -> Path:
    """Of this process's Ray; only the owner may enter, though Ray opens what is in it to all."""
    session = Path(ray._private.worker._global_node.get_session_dir_path())
    scratch = session.parents[1]
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    assert scratch.name.startswith(f"deft-{os.getpid()}-")
    return scratch

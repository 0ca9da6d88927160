"""A Ray on hosts that `machines` made, and drivers on them."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts.machines import ROOT, SHM_SIZE, Host, Machines, end

PORT = 6379
HOME = "/tmp/home"
"""Home folder of every host, its own since /tmp is."""
LEFT_BY_LOCAL_RAY = f"{HOME}/.ray/auth_token"
JOIN_SEC = 120.0
RUN_SEC = 240.0

Environment = Mapping[str, str | None]
_CLEAN: Environment = {
    "HOME": HOME,
    "PYTHONPATH": str(ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ADDRESS": None,
    "RAY_AUTH_MODE": None,
    "RAY_AUTH_TOKEN": None,
    "RAY_AUTH_TOKEN_PATH": None,
}

SOON_DEAD: Environment = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
"""Settings of `ray start` that give a node up after about 9 s: a cut of 20 s is a long one."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes:
        output: what it wrote, errors included.
        took_sec: from its start to its end.
    """

    code: int
    output: str
    took_sec: float


@dataclass(frozen=True)
class Trait:
    """How a host differs from the others.

    Attributes:
        prepare: commands of its shell before Ray starts.
        shm_size: of its /dev/shm.
        environment: changes to the environment of its `ray start`.
        n_cpus: that Ray offers there.
        options: of its `ray start`, beside the usual ones.
        starts_again: also if it is the head; workers always do.
    """

    prepare: str = ""
    shm_size: str = SHM_SIZE
    environment: Environment = field(default_factory=dict)
    n_cpus: int = 1
    options: tuple[str, ...] = ()
    starts_again: bool = False


class RayCluster:
    """A head and workers, of one core each unless a Trait says more.

    Args:
        folder: of logs, not yet there.
        environment: of every `ray start`.
    """

    def __init__(
        self, machines: Machines, folder: Path, environment: Environment | None = None
    ) -> None:
        folder.mkdir()
        self.hosts: list[Host] = []
        self._machines, self._folder = machines, folder
        self._environment = {**_CLEAN, **(environment or {})}
        self._n_commands = 0

    @property
    def address(self) -> str:
        """Of the head."""
        return f"{self.hosts[0].ip}:{PORT}"

    def grow(self, n_hosts: int) -> list[Host]:
        """Start so many hosts more; the first of all is the head."""
        return self.join(*[Trait()] * n_hosts)

    def join(self, *traits: "Trait") -> list[Host]:
        """Start a host more for each of these."""
        joined = [self._start(trait) for trait in traits]
        return [self._joined(host, process) for host, process in joined]

    def run(
        self, host: Host, command: Sequence[str], environment: Environment | None = None
    ) -> Ended:
        """Run a command of the virtual environment on a host, to its end."""
        process, log, started_at = self.begin(host, command, environment)
        try:
            code = process.wait(RUN_SEC)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"{' '.join(command)} ran over {RUN_SEC:g} s:\n{log.read_text()}"
            ) from None
        finally:
            end(process)
        return Ended(code, log.read_text(), time.monotonic() - started_at)

    def begin(
        self, host: Host, command: Sequence[str], environment: Environment | None = None
    ) -> tuple[subprocess.Popen[bytes], Path, float]:
        """Start a command of the virtual environment on a host.

        Returns:
            Its process, its log, and when it was started by the monotonic clock.
        """
        self._n_commands += 1
        log = self._folder / f"command-{self._n_commands}.log"
        process = host.start(_full(command), log, {**_CLEAN, **(environment or {})})
        return process, log, time.monotonic()

    def _start(self, trait: "Trait") -> tuple[Host, subprocess.Popen[bytes]]:
        host = self._machines.add(trait.prepare, trait.shm_size)
        self.hosts.append(host)
        role = ["--head", "--port", str(PORT), "--include-dashboard", "false"]
        if len(self.hosts) > 1:
            role = ["--address", self.address]
        command = ["ray", "start", *role, "--node-ip-address", host.ip]
        command += ["--num-cpus", str(trait.n_cpus), *trait.options]
        command += ["--object-store-memory", "80000000", "--disable-usage-stats", "--block"]
        if len(self.hosts) > 1:
            command.remove("--disable-usage-stats")  # Of the head only.
        full = _full(command)
        # As cluster/README.md has it: a node that was cut off joins again.
        if len(self.hosts) > 1 or trait.starts_again:
            full = ["bash", "-c", 'until "$@"; do sleep 1; done', "join", *full]
        environment = {**self._environment, **trait.environment}
        process = host.start(full, self._log(host), environment)
        if len(self.hosts) == 1:
            self._joined(host, process)
        return host, process

    def _joined(self, host: Host, process: subprocess.Popen[bytes]) -> Host:
        until = time.monotonic() + JOIN_SEC
        while "Ray runtime started" not in self._log(host).read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(
                    f"Ray on {host.name} did not start:\n{self._log(host).read_text()}"
                )
            time.sleep(0.2)
        return host

    def _log(self, host: Host) -> Path:
        return self._folder / f"{host.name}.log"


def leave_token(cluster: RayCluster, token: str | None) -> None:
    """Put a token, or none, where a local Ray leaves its own in the home folder of the head."""
    code = (
        "import sys; from pathlib import Path; path = Path(sys.argv[1]);"
        " path.unlink(missing_ok=True)"
    )
    if token is not None:
        code += "; path.parent.mkdir(exist_ok=True); path.write_text(sys.argv[2])"
    done = cluster.run(cluster.hosts[0], ["python", "-c", code, LEFT_BY_LOCAL_RAY, token or ""])
    assert done.code == 0, done.output


def tasks_on_all(cluster: RayCluster, environment: Environment, address: str = "") -> None:
    """Attach from the head as a sweep does, and run a task on each host.

    Args:
        cluster: of the hosts.
        environment: changes to the driver's.
        address: as the driver gets it; empty is the cluster's.
    """
    command = ["python", "-m", "tests.hosts.attach", address or cluster.address]
    done = cluster.run(cluster.hosts[0], command, environment)
    assert done.code == 0, done.output
    names = " ".join(sorted(host.name for host in cluster.hosts))
    assert done.output.splitlines()[-1] == names, done.output


def wait_until(condition: Callable[[], bool], log: Path) -> None:
    """Wait for the condition to hold; show the driver's log if it does not."""
    until = time.monotonic() + RUN_SEC
    while not condition():
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.5)


def _full(command: Sequence[str]) -> list[str]:
    """The command with the path of its program in the virtual environment."""
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]

"""Several hosts on one machine, as namespaces of Linux; needs root, iproute2 and util-linux.

Each host has a network, process, mount and host-name namespace of its own, an address on one
bridge, and a private /tmp and /dev/shm. All else is the machine's. Namespaces have no names and
every process in them is killed with the process that made them, so an aborted test leaves nothing
behind.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

NETWORK = "10.77.0"
ROOT = Path(__file__).parents[2]
START_SEC = 30.0
SHM_SIZE = "512m"

_TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount")
_SET_UP_HOST = """
set -e
stage=$1; name=$2; shift 2
mount -t tmpfs tmpfs "$stage"
mkdir -p "$stage/home"
for folder in "$@"; do
  mkdir -p "$stage/${folder#/tmp/}"
  mount --bind "$folder" "$stage/${folder#/tmp/}"
done
mount --rbind "$stage" /tmp
chmod 1777 /tmp
mount -t tmpfs -o size=$SHM_SIZE tmpfs /dev/shm
hostname "$name"
eval "$PREPARE"
ip link set lo up
touch /tmp/up
exec sleep infinity
"""


def missing() -> str:
    """What this process lacks to make hosts, a sentence; empty if it lacks nothing."""
    if os.geteuid() != 0:
        return "hosts are namespaces of Linux, which only root can make"
    tools = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if tools:
        return f"not installed: {', '.join(tools)} (Debian: iproute2, util-linux)"
    tried = subprocess.run(["unshare", "-n", "-m", "-p", "-f", "true"], capture_output=True)
    return "" if tried.returncode == 0 else "this container may not make namespaces of Linux"


class Host:
    """One host: a first process that holds its namespaces, and what was started in them.

    Attributes:
        name: its host name.
        ip: its address on the bridge.
    """

    def __init__(self, number: int, folders: Sequence[Path]) -> None:
        self.name, self.ip = f"host{number}", f"{NETWORK}.{10 + number}"
        self._folders = folders
        self._started: list[subprocess.Popen[bytes]] = []
        self._holder: subprocess.Popen[bytes] | None = None
        self._bridge = 0
        self.init = 0

    def up(self, bridge: int, stage: Path, prepare: str, shm_size: str) -> Self:
        """Create the namespaces and plug the host into the bridge of process `bridge`."""
        stage.mkdir()
        errors = stage.with_suffix(".log")
        with errors.open("wb") as log:
            holder = subprocess.Popen(
                [
                    # pdeathsig: the namespaces end with the tests' process, even if that is killed.
                    *("setpriv", "--pdeathsig", "KILL", "unshare", "-n", "-m", "-u", "-p", "-f"),
                    *("--mount-proc", "--kill-child", "bash", "-c", _SET_UP_HOST, "host"),
                    *(str(stage), self.name, *(str(folder) for folder in self._folders)),
                ],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "SHM_SIZE": shm_size, "PREPARE": prepare},
                start_new_session=True,
            )
        self._holder = holder
        self.init, self._bridge = self._set_up(holder, errors), bridge
        cable = f"h{self.init}"
        _run("ip", "link", "add", cable, "type", "veth", "peer", "name", f"b{self.init}")
        _run("ip", "link", "set", f"b{self.init}", "netns", str(bridge))
        _run("ip", "link", "set", cable, "netns", str(self.init), "name", "eth0")
        _inside(bridge, "ip", "link", "set", f"b{self.init}", "master", "switch", "up")
        _inside(self.init, "ip", "address", "add", f"{self.ip}/24", "dev", "eth0")
        _inside(self.init, "ip", "link", "set", "eth0", "up")
        return self

    def _set_up(self, holder: subprocess.Popen[bytes], errors: Path) -> int:
        """The host's first process, once its file system is set up."""
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")

        def first() -> int:
            if holder.poll() is not None:
                raise RuntimeError(f"{self.name} did not come up: {errors.read_text()}")
            return int((children.read_text().split() or ["0"])[0])

        _wait_for(
            lambda: first() != 0 and _is_there(Path(f"/proc/{first()}/root/tmp/up")), self.name
        )
        return first()

    def start(
        self, command: Sequence[str], log: Path, env: Mapping[str, str | None] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own.

        Args:
            command: the program and its arguments.
            log: receives its output and its errors.
            env: changes to the environment; None removes a variable.
        """
        with log.open("ab") as out:
            process = subprocess.Popen(
                [
                    "nsenter",
                    "-t",
                    str(self.init),
                    "-n",
                    "-m",
                    "-u",
                    "-p",
                    "env",
                    f"--chdir={ROOT}",
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=_environment(env or {}),
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def cut_off(self) -> None:
        """Unplug the host from the bridge; `plug_in` ends it. Shared folders stay."""
        _inside(self._bridge, "ip", "link", "set", f"b{self.init}", "down")

    def plug_in(self) -> None:
        """Plug the host into the bridge again."""
        _inside(self._bridge, "ip", "link", "set", f"b{self.init}", "up")

    def pids(self) -> list[int]:
        """Process numbers, as this process sees them, of the host's processes."""
        namespace = os.readlink(f"/proc/{self.init}/ns/pid")
        pids = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # It has ended meanwhile.
                if os.readlink(process / "ns" / "pid") == namespace:
                    pids.append(int(process.name))
        return pids

    def pids_of(self, name: str) -> list[int]:
        """Process numbers, as this process sees them, of the host's processes of a name."""
        named = []
        for pid in self.pids():
            with suppress(OSError):  # It has ended meanwhile.
                if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    named.append(pid)
        return named

    def power_off(self) -> None:
        """Kill every process of the host at once."""
        if self._holder is None:
            return
        if self.init:
            with suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)
        self._holder.kill()
        for process in (self._holder, *self._started):
            process.wait()
        self._holder = None


class Machines:
    """A bridge and the hosts on it; all are gone at the end of the `with` block.

    Args:
        folder: for the hosts' mount points and logs.
        shared: is seen by every host under its own path, as is the checkout.
    """

    def __init__(self, folder: Path, shared: Path) -> None:
        self._folder = folder
        self._folders = _below_tmp((shared, ROOT, Path(sys.prefix), Path(sys.base_prefix)))
        self._hosts: list[Host] = []
        self._at_end = ExitStack()

    def __enter__(self) -> Self:
        self._switch = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "sleep", "infinity"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._at_end.callback(self._switch.wait)
        self._at_end.callback(self._switch.kill)
        own = os.readlink("/proc/self/ns/net")
        net = f"/proc/{self._switch.pid}/ns/net"
        _wait_for(lambda: os.readlink(net) != own, "the bridge's network")
        _inside(self._switch.pid, "ip", "link", "add", "switch", "type", "bridge")
        _inside(self._switch.pid, "ip", "link", "set", "switch", "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._at_end.close()

    def add(self, prepare: str = "", shm_size: str = SHM_SIZE) -> Host:
        """Another host, which is up.

        Args:
            prepare: commands of its shell, run as root among its own mounts.
            shm_size: of its /dev/shm, as `mount` reads it.
        """
        host = Host(len(self._hosts), self._folders)
        self._hosts.append(host)
        self._at_end.callback(host.power_off)
        return host.up(self._switch.pid, self._folder / host.name, prepare, shm_size)


@contextmanager
def temporary_machines() -> Iterator[tuple["Machines", Path]]:
    """Machines for a script, and the folder that they share; ends with code 1 where none can be."""
    if reason := missing():
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as name:
        hosts, shared = Path(name) / "hosts", Path(name) / "shared"
        hosts.mkdir()
        shared.mkdir()
        with Machines(hosts, shared) as machines:
            yield machines, shared


def end(process: subprocess.Popen[bytes], patience_sec: float = 20.0) -> None:
    """End a process that `Host.start` started by its process group, first by SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_sec)
            return


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs, and does not after the `with` block."""
    try:
        yield process
    finally:
        end(process)


def _below_tmp(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Those of `folders` that a host's own /tmp would hide, the outer ones first and none twice."""
    chosen: list[Path] = []
    for folder in sorted({folder.resolve() for folder in folders}):
        if folder.is_relative_to("/tmp") and not any(
            folder.is_relative_to(outer) for outer in chosen
        ):
            chosen.append(folder)
    return tuple(chosen)


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + START_SEC
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {START_SEC:g} s for {what}")
        time.sleep(0.02)


def _is_there(path: Path) -> bool:
    with suppress(OSError):
        return path.exists()
    return False


def _inside(process: int, *command: str) -> None:
    _run("nsenter", "-t", str(process), "-n", *command)


def _run(*command: str) -> None:
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")

"""What the tests of faults ask of a sweep, and how they wait for and hit its processes."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.weights_file import read_weights
from tests.fakes import FakeMaker
from tests.hosts.machines import Host
from tests.hosts.ray_cluster import RUN_SEC, RayCluster

Process = subprocess.Popen[bytes]


def drive(
    root: Path, cluster: RayCluster, trials: int, step_sec: float, *options: str
) -> list[str]:
    """The command of a driver of `drive_killed`."""
    root.parent.mkdir(exist_ok=True)
    settings = [str(root), cluster.address, str(trials), str(step_sec), *options]
    return ["python", "-m", "tests.hosts.drive_killed", *settings]


def wait_for(holds: Callable[[], object], log: Path, process: Process | None = None) -> float:
    """Wait until it holds, as long as the process runs; returns the time of day, in seconds."""
    until = time.monotonic() + RUN_SEC
    while not holds():
        assert process is None or process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.05)
    return time.time()


def send(process: Process, number: int) -> None:
    """Send a signal to the program that `RayCluster.begin` started, past `nsenter`."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), number)


def kill(process: Process) -> None:
    """End the driver and what started it as a loss of its host does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


def workers(root: Path, hosts: list[Host]) -> dict[str, list[int]]:
    """Process numbers, as the tests see them, of the workers that run on each host."""
    noted = Counter(FakeMaker(root.parent).notes("process"))
    return {
        host.name: [pid for name, inner in noted if name == host.name for pid in outer(host, inner)]
        for host in hosts
    }


def outer(host: Host, inner: int) -> list[int]:
    """The process that has the number `inner` on a host, as the tests see it; none if it ended."""
    for pid in host.pids():
        with suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:"))
            if int(numbers.split()[-1]) == inner and "State:\tZ" not in status:
                return [pid]
    return []


@dataclass(frozen=True)
class Watched:
    """A driver of `drive_killed` that runs, and the notes of its trials.

    Attributes:
        root: folder of the sweep.
        process: of the driver.
        log: of the driver.
    """

    root: Path
    process: Process
    log: Path

    def wait_for(self, holds: Callable[[], object]) -> float:
        """Wait until it holds, as long as the driver runs; returns the time of day."""
        return wait_for(holds, self.log, self.process)

    def places(self) -> list[tuple[str, str, int]]:
        """Trial, host and time of day of each start, in order."""
        noted = [(who.partition("@"), at) for who, at in FakeMaker(self.root.parent).notes("place")]
        return [(trial_id, host, at) for (trial_id, _, host), at in noted]

    def begins_on(self, host: Host) -> str:
        """Wait for a host to begin a trial from now on; returns the trial."""
        n_before = len(self.places())

        def begun() -> list[str]:
            return [trial_id for trial_id, name, _ in self.places()[n_before:] if name == host.name]

        self.wait_for(begun)
        return begun()[-1]

    def again_after(self, trial_id: str, lost_at: float, n_before: int = 1) -> str:
        """Wait for a trial to begin again; returns how long after the loss, in words."""

        def times() -> list[int]:
            return [at for name, _, at in self.places() if name == trial_id]

        self.wait_for(lambda: len(times()) > n_before)
        return f"on again after {times()[n_before] - lost_at:.0f} s"


def is_whole(root: Path, trials: int) -> tuple[int, int]:
    """Number of trials that were lost, and of results that one trial has too many."""
    results = SweepDir(root).results()
    numbers = Counter(result.number for result in results)
    complete = {result.trial_id for result in results if result.status == "complete"}
    return trials - len(complete), sum(numbers.values()) - len(numbers)


def weights_host(sweep: SweepDir, trial_id: str) -> str:
    """Name of the host that a trial's weights name."""
    content = read_weights(sweep.weights_path(trial_id))
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return str(header["__metadata__"]["host"])

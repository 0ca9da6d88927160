"""Runs a program with everything that it starts: CPU seconds over time, and nothing left running.

Ray's processes leave their parent's session, so they are recognised by a mark in their environment,
which every descendant inherits.
"""

import os
import signal
import subprocess
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from uuid import uuid4

POLL_SEC = 0.2
MARK = "MAKESPAN_MARK"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class CpuClock:
    """CPU seconds of the processes with a mark, at each moment at which they were read.

    A process counts what was read of it last, so one that ends between two readings loses at most
    the time between them.

    Attributes:
        times: of the readings, seconds since the epoch, rising.
        totals: CPU seconds up to then.
    """

    mark: str
    times: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    _seconds: dict[tuple[int, str], float] = field(default_factory=dict)
    _others: set[tuple[int, str]] = field(default_factory=set)

    def read(self) -> list[int]:
        """Read all processes; the ids of those with the mark."""
        alive = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            pid = int(entry)
            with suppress(OSError, IndexError):
                start, seconds, is_zombie = _stat(pid)
                if self._is_marked(pid, start):
                    self._seconds[pid, start] = seconds
                    if not is_zombie:
                        alive.append(pid)
        self.times.append(time.time())
        self.totals.append(sum(self._seconds.values()))
        return alive

    def at(self, moment: float) -> float:
        """CPU seconds up to a moment, between two readings in a straight line."""
        i = bisect_right(self.times, moment)
        if i == 0:
            return 0.0
        if i == len(self.times):
            return self.totals[-1]
        share = (moment - self.times[i - 1]) / (self.times[i] - self.times[i - 1])
        return self.totals[i - 1] + share * (self.totals[i] - self.totals[i - 1])

    def _is_marked(self, pid: int, start: str) -> bool:
        if (pid, start) in self._seconds:
            return True
        if (pid, start) in self._others:
            return False
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        marked = f"{MARK}={self.mark}".encode() in environment.split(b"\0")
        # A process that has just been forked still has its parent's; one that has none is asked
        # again.
        if not marked and environment:
            self._others.add((pid, start))
        return marked


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended.

    Attributes:
        began, ended: seconds since the epoch.
        cpu: of it and its descendants.
        other_cpu_sec: of everything else on the machine meanwhile.
    """

    began: float
    ended: float
    cpu: CpuClock
    other_cpu_sec: float


def run(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: TextIO
) -> Finished:
    """Runs a command to its end, then ends what it started.

    Raises:
        RuntimeError: it failed; the message has the log's end.
    """
    clock = CpuClock(uuid4().hex)
    busy = busy_sec()
    began = time.time()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment, MARK: clock.mark},
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            clock.read()
            time.sleep(POLL_SEC)
        ended = time.time()
    finally:
        _end(clock)
        process.wait()
    other = max(0.0, busy_sec() - busy - clock.totals[-1])
    if process.returncode != 0:
        log.flush()
        tail = Path(log.name).read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    return Finished(began, ended, clock, other)


def busy_sec() -> float:
    """CPU seconds that this machine has worked since its start, over all cores."""
    user, nice, system, _, _, irq, softirq, *_ = _machine()
    return (user + nice + system + irq + softirq) / _TICKS


def _machine() -> list[int]:
    line = Path("/proc/stat").read_text().splitlines()[0]
    return [int(value) for value in line.split()[1:]]


def _end(clock: CpuClock) -> None:
    """Ends the marked processes that still run: politely, then by force."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(10):
            alive = clock.read()
            if not alive:
                return
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, kind)
            time.sleep(POLL_SEC)


def _stat(pid: int) -> tuple[str, float, bool]:
    """Start time, CPU seconds, and whether it only waits to be reaped."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[19], (int(fields[11]) + int(fields[12])) / _TICKS, fields[0] == "Z"

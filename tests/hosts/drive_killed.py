"""A driver that is killed, or whose workers fall silent: `python -m tests.hosts.drive_killed FOLDER
HOST:PORT TRIALS STEP_SEC`; the options say at which moment it kills itself.

The driver goes on with a folder that has results. Its exit code is that of the command line.
"""

import argparse
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from deft_sweeps.cli.guard import INTERRUPTED, guarded
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import TrialResult
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep
from tests.driver_script import run_script
from tests.fakes import FakeRun, fake_spec, with_checkpoints
from tests.hosts.drive_faults import FaultyMaker

MOMENTS = ("no result", "stored", "end")


@dataclass(frozen=True)
class KilledSweep(SweepDir):
    """A folder whose driver is killed at a moment of storing.

    Attributes:
        moment: `no result`: the weights of the driver's first trial are in place and its result is
            not; `stored`: its result is, and nobody was told; `end`: all trials are finished.
    """

    moment: str = ""

    def write(self, result: TrialResult, *, durably: bool = True) -> None:
        self._maybe_die("no result")
        super().write(result, durably=durably)
        self._maybe_die("stored")

    def write_note(self, note: DriverNote) -> None:
        super().write_note(note)
        if note.ended is not None:
            self._maybe_die("end")

    def _maybe_die(self, moment: str) -> None:
        if moment == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class NamedMaker(FaultyMaker):
    """Fake trials that note host, process and time at each start.

    Attributes:
        ballast: is shipped to each worker through Ray's object store.
        held: file that every trial waits for at its start; empty lets all begin.
    """

    ballast: bytes = b""
    held: str = ""

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
        host = socket.gethostname()
        self.note("process", host, os.getpid())
        self.note("place", f"{config.trial_id(seed)}@{host}", round(time.time()))
        run = super().start(config, seed, state)
        while self.held and not Path(self.held).exists():
            time.sleep(0.05)
        return run


@guarded
def main() -> None:
    """Run a sweep whose concurrency is left to the cluster."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("address")
    parser.add_argument("trials", type=int)
    parser.add_argument("step_sec", type=float)
    parser.add_argument("--moment", default="", choices=("", *MOMENTS))
    parser.add_argument("--slow", default="", help="host of slow measurements at the end")
    parser.add_argument("--slow-sec", type=float, default=0.0)
    parser.add_argument("--stall-minutes", type=float)
    parser.add_argument("--ballast-bytes", type=int, default=0)
    parser.add_argument("--held", default="", help="file that trials wait for")
    given = parser.parse_args()
    spec = fake_spec(given.trials, max_failures=5)
    budget = replace(spec.budget, concurrency=None, stall_minutes=given.stall_minutes)
    maker = NamedMaker(
        given.root.parent,
        step_sec=given.step_sec,
        slow_host=given.slow,
        slow_sec=given.slow_sec,
        ballast=bytes(given.ballast_bytes),
        held=given.held,
    )
    with LineView(sys.stdout) as view:
        outcome = run_sweep(
            with_checkpoints(replace(spec, budget=budget), 0.5),
            KilledSweep(given.root, given.moment),
            maker,
            view=view,
            resume=True,
            ray_address=given.address,
        )
    print(outcome)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)


if __name__ == "__main__":
    run_script(main)

"""A driver on a host: `python -m tests.hosts.drive FOLDER HOST:PORT TRIALS STEP_SEC [CPUS [MEET]]`.

Trials note the host that they train on and the settings there; see `starts` and `settings`. None
trains before MEET hosts have one.
"""

import hashlib
import os
import resource
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deft_sweeps.cli.guard import guarded
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import CompleteTrial
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep
from tests.driver_script import run_script
from tests.fakes import FakeMaker, FakeRun, fake_spec

MEET_SEC = 180.0


@dataclass(frozen=True)
class HostMaker(FakeMaker):
    """Fake trials that note the name of their host, and its settings, at each start.

    Attributes:
        n_meet: hosts that must have a trial before any trains.
    """

    n_meet: int = 1

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
        self.note("host", socket.gethostname(), 0)
        until = time.monotonic() + MEET_SEC
        while len({host for host, _ in self.notes("host")}) < self.n_meet:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.n_meet} hosts had no trial within {MEET_SEC:g} s")
            time.sleep(0.1)
        self.note("settings", setting_digest(os.environ), 0)
        self.note("began", f"{socket.gethostname()}/{config.trial_id(seed)}", _now_ms())
        begun = super().start(config, seed, state)
        return HostRun(config, seed, self, begun.step, begun.started_at)


@dataclass
class HostRun(FakeRun):
    """A fake trial that notes when it ends."""

    def finish(self) -> CompleteTrial:
        self.maker.note(
            "ended", f"{socket.gethostname()}/{self.config.trial_id(self.seed)}", _now_ms()
        )
        return super().finish()


def _now_ms() -> int:
    return round(1000 * time.time())


def spans(root: Path) -> list[tuple[str, float, float]]:
    """Host, start and end of each trial that has ended, in seconds since the epoch."""
    notes = FakeMaker(root.parent)
    began = dict(notes.notes("began"))
    return [
        (who.partition("/")[0], began[who] / 1000, ended / 1000)
        for who, ended in notes.notes("ended")
    ]


def starts(root: Path) -> list[str]:
    """Name of the host of each start of a trial, in order."""
    return [host for host, _ in FakeMaker(root.parent).notes("host")]


def settings(root: Path) -> set[str]:
    """Digests of the settings at the starts of trials."""
    return {digest for digest, _ in FakeMaker(root.parent).notes("settings")}


def setting_digest(environment: Mapping[str, str]) -> str:
    """Of the settings that workers need; no test writes a secret where another looks for it."""
    values = [environment.get(name, "") for name in ("DEFT_SWEEPS_CACHE", "HF_TOKEN")]
    return hashlib.sha256("\n".join(values).encode()).hexdigest()


@guarded
def main() -> None:
    """Run a sweep whose concurrency is left to the cluster."""
    root, address, trials, step_sec, *cpus = sys.argv[1:]
    spec = fake_spec(int(trials))
    n_cpus, n_meet = (*map(int, cpus), *(1, 1)[len(cpus) :])
    spec = replace(spec, budget=replace(spec.budget, concurrency=None, cpus_per_trial=n_cpus))
    maker = HostMaker(Path(root).parent, step_sec=float(step_sec), n_meet=n_meet)
    with LineView(sys.stdout) as view:
        outcome = run_sweep(spec, SweepDir(Path(root)), maker, view=view, ray_address=address)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"driver: {used.ru_utime:.0f} CPU s, {used.ru_maxrss / 1024:.0f} MiB at most")
    print(outcome)


if __name__ == "__main__":
    run_script(main)

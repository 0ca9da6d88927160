"""A driver with faults: `python -m tests.hosts.drive_faults FOLDER HOST:PORT TRIALS STEP_SEC`.

Trials note the host that they train on, see `drive.starts`. The driver goes on with a folder that
has results. One more argument, `dies`, lets every worker die; two more, HOST and SEC, let the
measurement at the end of a trial take so long on that host.
"""

import socket
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy
import typer

from deft_sweeps.cli.guard import INTERRUPTED, guarded
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import CompleteTrial
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep
from tests.driver_script import run_script
from tests.fakes import FakeMaker, FakeRun, fake_spec, with_checkpoints


@dataclass
class HostRun(FakeRun):
    """A fake trial whose result and weights both name the host that trained it."""

    maker: "FaultyMaker"

    def weights(self) -> bytes:
        self.maker.note("weights", socket.gethostname(), round(time.time()))
        metadata = {"trial_id": self.config.trial_id(self.seed), "host": socket.gethostname()}
        return safetensors.numpy.save({"lora": np.zeros(4)}, metadata)

    def finish(self) -> CompleteTrial:
        if self.maker.slow_host in (socket.gethostname(), "any"):
            self.maker.note("slow", self.config.trial_id(self.seed), round(time.time()))
            time.sleep(self.maker.slow_sec)
        result = super().finish()
        assert result.provenance is not None
        return replace(result, provenance=replace(result.provenance, device=socket.gethostname()))


@dataclass(frozen=True)
class FaultyMaker(FakeMaker):
    """Fake trials that note the name of their host, and the time, at each start.

    Attributes:
        slow_host: takes `slow_sec` for the measurement at the end of a trial; `any` is each one.
        dies: every worker dies at `fault_step`.
    """

    slow_host: str = ""
    slow_sec: float = 0.0
    dies: bool = False

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
        self.note("host", socket.gethostname(), round(time.time()))
        self.note("began", config.trial_id(seed), round(time.time()))
        begun = super().start(config, seed, state)
        maker = replace(self, faults={config.config_id: "die_always"}) if self.dies else self
        return HostRun(config, seed, maker, begun.step, begun.started_at)


@guarded
def main() -> None:
    """Run a sweep whose concurrency is left to the cluster."""
    root, address, trials, step_sec, *slow = sys.argv[1:]
    dies = slow == ["dies"]
    spec = fake_spec(int(trials), max_failures=0 if dies else 1)
    spec = replace(spec, budget=replace(spec.budget, concurrency=None))
    maker = FaultyMaker(Path(root).parent, step_sec=float(step_sec), dies=dies)
    if slow and not dies:
        maker = replace(maker, slow_host=slow[0], slow_sec=float(slow[1]))
    with LineView(sys.stdout) as view:
        outcome = run_sweep(
            with_checkpoints(spec, 1.0),
            SweepDir(Path(root)),
            maker,
            view=view,
            resume=True,
            ray_address=address,
        )
    print(outcome)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)


if __name__ == "__main__":
    run_script(main)

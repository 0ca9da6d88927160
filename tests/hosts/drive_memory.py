"""A sweep of trials whose memory follows their micro-batch, to be run inside a limited cgroup.

Its arguments are the folder, the bytes of a whole batch, and how often they are held: `whole` if
micro-batches hold a part of them, or `beside` if they hold all unless the trial has the machine for
itself. It is imported and not run as a module, so that workers import it too.
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import ray

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Advance
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep
from deft_sweeps.trial.protocol import TrialStarter
from tests.fakes import FakeMaker, FakeRun, fake_spec, plain, with_checkpoints

FIRST = plain(1e-3)
SPEC = fake_spec(2, first=(FIRST, plain(2e-3)), concurrency=1, max_failures=2)
N_CPUS = 2
HUNGRY = SPEC.config(FIRST)
HOLD_SEC = 30.0
"""How long the whole batch is held: many looks of Ray's memory monitor."""


@dataclass
class HungryRun(FakeRun):
    """Holds memory once it is past step 6, in proportion to its micro-batch or by its share."""

    whole_bytes: int = 0
    when: str = "whole"

    def advance(self, n_steps: int) -> Advance:
        if self.config.config_id == HUNGRY.config_id and self.step == 6:
            n_parts = self.n_micro_batches
            if self.when == "beside":
                cpus = ray.get_runtime_context().get_assigned_resources()["CPU"]
                n_parts = 100 if cpus == N_CPUS else 1
            held = np.ones(self.whole_bytes // n_parts, dtype=np.uint8)
            time.sleep(HOLD_SEC / n_parts**2)
            del held
        return super().advance(n_steps)


@dataclass(frozen=True)
class HungryMaker(FakeMaker):
    """Trials that hold `whole_bytes` for a whole batch."""

    whole_bytes: int = 0
    when: str = "whole"

    def __call__(self) -> TrialStarter:
        def start(config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
            begun = self.start(config, seed, state)
            run = HungryRun(config, seed, self, begun.step, begun.started_at)
            run.whole_bytes, run.when = self.whole_bytes, self.when
            return run

        return start


def main() -> None:
    """Run the sweep."""
    root = Path(sys.argv[1])
    whole_bytes, when = int(sys.argv[2]), sys.argv[3]
    maker = HungryMaker(root.parent, whole_bytes=whole_bytes, when=when)
    # Trials one at a time have the machine for themselves.
    n_at_a_time = 1 if when == "whole" else N_CPUS
    spec = replace(SPEC, budget=replace(SPEC.budget, concurrency=n_at_a_time))
    with LineView(sys.stdout) as view:
        sweep = SweepDir(root)
        print(run_sweep(with_checkpoints(spec), sweep, maker, view=view, n_cpus=n_at_a_time))

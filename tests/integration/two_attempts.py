"""A worker of a trial, without Ray: `python -m tests.integration.two_attempts FOLDER NAME N`.

Two of them train the same trial at the same time. The weights say whose they are. A worker prints
its reports, and at its end writes its weights N times more.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy

from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.search.trial_report import RESULT
from deft_sweeps.sweep.trainable import TrialTrainable
from deft_sweeps.trial.protocol import TrialStarter
from tests.fakes import FakeMaker, FakeRun, fake_spec, plain

CONFIG = fake_spec().config(plain(1e-3))
STEP_SEC = 0.01
N_VALUES = 200_000


@dataclass
class NamedRun(FakeRun):
    """Weights of some size, which take a moment to write."""

    name: str = ""

    def weights(self) -> bytes:
        values = {"lora": np.full(N_VALUES, float(self.name))}
        return safetensors.numpy.save(values, {"trial_id": self.config.trial_id(self.seed)})


@dataclass(frozen=True)
class NamedMaker(FakeMaker):
    """Starts trials of `name`."""

    name: str = ""

    def __call__(self) -> TrialStarter:
        def start(config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
            begun = self.start(config, seed, state)
            return NamedRun(config, seed, self, begun.step, begun.started_at, self.name)

        return start


def main() -> None:
    """Train until the result is there, then write the weights again and again."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    trainable = TrialTrainable.__new__(TrialTrainable)
    trainable.setup(
        {"config": codec(TrialConfig).dump_json(CONFIG).decode(), "seed": 0},
        maker=NamedMaker(folder, step_sec=STEP_SEC, name=name),
        folder=str(folder / "sweep"),
        checkpoint_every_sec=0.0,
    )
    while True:
        reported = trainable.step()
        print(json.dumps(reported), flush=True)
        if RESULT in reported:
            break
        (folder / f"begun-{name}").touch()
        while len(list(folder.glob("begun-*"))) < 2:  # From here on they train side by side.
            time.sleep(0.005)
    run = NamedRun(CONFIG, 0, NamedMaker(folder), name=name)
    for _ in range(int(sys.argv[3])):
        trainable._attempt.write_weights(run.weights())


if __name__ == "__main__":
    main()

"""A whole session in a process of its own, to be killed: `python -m tests.integration.drive_session
FOLDER PHASE...`.

In each PHASE of `seeds`, `twin` and `finals` it stands still, so that it can be killed there; it
writes the names of phases to `phases` beside the folder.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deft_sweeps.cli.guard import guarded
from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.specification.combination import Start
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import final, session
from tests.driver_script import run_script
from tests.fake_finals import measured
from tests.fakes import FakeMaker, FakeRun, fake_spec

TRIALS = 3
SEEDS = 2


def spec() -> SweepSpec:
    """DEFT configurations alone come first and are all of the budget, so that the twin of the
    chosen one is still to run.
    """
    base = fake_spec(TRIALS, concurrency=1)
    label = next(c.label for c in base.combinations if c.template.density.kind == "loss")
    first = (
        Start(label, {"training.learning_rate": 1e-3, "density.loss.weight": weight})
        for weight in (0.1, 1.0, 4.0)
    )
    return replace(base, seeds=SEEDS, first=tuple(first))


@dataclass(frozen=True)
class Standing(FakeMaker):
    """Stands still in the first trial of a phase."""

    phases: tuple[str, ...] = ()

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
        run = super().start(config, seed, state)
        phase = (
            "seeds" if seed > 0 else "search" if isinstance(config.density, DensityLoss) else "twin"
        )
        stand(self.folder, phase, self.phases)
        return run


def stand(folder: Path, phase: str, phases: tuple[str, ...]) -> None:
    """Say that a phase is reached; go no further where it is one of `phases`."""
    with (folder / "phases").open("a") as file:
        file.write(f"{phase}\n")
    while phase in phases:
        time.sleep(0.05)


@guarded
def main() -> None:
    """Run a session, with fakes for trainings and measurements."""
    root, phases = Path(sys.argv[1]), tuple(sys.argv[2:])

    def measured_slowly(*arguments: Any, **named: Any) -> Iterator[FinalMeasurement]:
        for measurement in measured(*arguments, **named):
            yield measurement
            stand(root.parent, "finals", phases)

    final.measure = measured_slowly
    vars(session)["TorchTrialStarterFactory"] = lambda *_, **__: Standing(
        root.parent, phases=phases
    )
    outcome = session.run(spec(), SweepDir(root), view=lambda _: None, say=print, resume=True)
    print(outcome)


if __name__ == "__main__":
    run_script(main)

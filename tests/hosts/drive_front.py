"""A driver of real trainings: `python -m tests.hosts.drive_front SPEC FOLDER HOST:PORT [HELD]`.

With HELD, the second trial of each host waits for that file: a test decides in the meantime which
hosts there are.
"""

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.cli.guard import guarded
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep
from deft_sweeps.trial.protocol import TrialRun, TrialStarter
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.driver_script import run_script
from tests.fakes import FakeMaker, with_checkpoints


@dataclass(frozen=True)
class HeldTorchMaker:
    """Real trials that note the name of their host, and the step that they go on from.

    Attributes:
        spec: of the sweep.
        folder: of the notes.
        held: file that the second trial of a host waits for; empty lets all begin.
    """

    spec: SweepSpec
    folder: Path
    held: str = ""

    def __call__(self) -> TrialStarter:
        starter = TorchTrialStarterFactory(
            self.spec.evaluation, n_threads=1, folder=self.spec.folder
        )()
        notes, host = FakeMaker(self.folder), socket.gethostname()

        def start(config: TrialConfig, seed: int, state: bytes | None) -> TrialRun:
            while self.held and host in began(notes).values() and not Path(self.held).exists():
                time.sleep(0.1)
            run = starter(config, seed, state)
            step = run.advance(0).step if state else 0
            notes.note("began", f"{config.trial_id(seed)}@{host}", step)
            return run

        return start


def began(notes: FakeMaker) -> dict[str, str]:
    """Name of the host on which each trial began last."""
    names = [who.partition("@") for who, _ in notes.notes("began")]
    return {trial_id: host for trial_id, _, host in names}


@guarded
def main() -> None:
    """Run a sweep whose concurrency is left to the cluster."""
    path, root, address, *held = sys.argv[1:]
    spec = load_spec(path)
    with LineView(sys.stdout) as view:
        outcome = run_sweep(
            with_checkpoints(spec, 0.2),
            SweepDir(Path(root)),
            HeldTorchMaker(spec, Path(root).parent, *held),
            view=view,
            resume=True,
            ray_address=address,
        )
    print(outcome)


if __name__ == "__main__":
    run_script(main)

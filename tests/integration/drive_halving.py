"""A driver that stops trials early, in a process of its own, to be killed: `python -m
tests.integration.drive_halving FOLDER`.
"""

import sys
from dataclasses import replace
from pathlib import Path

from deft_sweeps.specification.search_settings import Halving
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.runner import run_sweep
from tests.fakes import FakeMaker, fake_spec, with_checkpoints

# One trial at a time: the order of events is then the same however often the driver dies.
SPEC = replace(fake_spec(10, concurrency=1), stopping=Halving())


def maker(root: Path) -> FakeMaker:
    """Trials of about a second."""
    return FakeMaker(root.parent, step_sec=0.05)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    run_sweep(
        with_checkpoints(SPEC),
        SweepDir(root),
        maker(root),
        view=lambda _: None,
        resume=True,
        n_cpus=1,
    )

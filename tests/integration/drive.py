"""A driver in a process of its own, to be killed or interrupted: `python -m tests.integration.drive
FOLDER [SAMPLER]`.
"""

import sys
from pathlib import Path

from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep
from tests.fakes import FakeMaker, fake_spec, with_checkpoints

TRIALS = 8
SPEC = fake_spec(TRIALS)


def maker(root: Path) -> FakeMaker:
    """Trials of about two seconds."""
    return FakeMaker(root.parent, step_sec=0.1)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    spec = SPEC
    if len(sys.argv) > 2:
        from tests.searches import spec_for

        spec = spec_for(sys.argv[2], "limits", trials=TRIALS)
    with LineView(sys.stdout) as view:
        outcome = run_sweep(
            with_checkpoints(spec),
            SweepDir(root),
            maker(root),
            view=view,
            resume=True,
            n_cpus=2,
        )
    print(outcome)
    sys.exit(130 if outcome.interrupted else 0)

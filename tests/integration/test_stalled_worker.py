"""Workers that hang, or are stopped, on a real Ray."""

from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.runner import run_sweep
from tests.fakes import N_STEPS, FakeMaker, fake_spec, plain, with_checkpoints
from tests.running import counts_are_equal, nothing_is_left

pytestmark = pytest.mark.sweeps

STALL_MIN = 0.05


@pytest.mark.usefixtures("one_ray")
def test_trials_of_silent_workers_go_on_from_their_checkpoints_and_count_once(
    tmp_path: Path,
) -> None:
    """One worker sleeps for an hour, another one is stopped and could not even end itself."""
    first = plain(1e-3), plain(2e-3)
    spec = fake_spec(4, first=first)
    spec = replace(spec, budget=replace(spec.budget, stall_minutes=STALL_MIN))
    configs = [spec.config(start) for start in first]
    faults = dict(zip((c.config_id for c in configs), ("hang_once", "stop_once"), strict=True))
    sweep, fakes = SweepDir(tmp_path / "sweep"), FakeMaker(tmp_path, faults)  # type: ignore[arg-type]
    outcome = run_sweep(with_checkpoints(spec), sweep, fakes, view=lambda _: None, n_cpus=2)
    assert (outcome.n_complete, outcome.n_failed) == (4, 0)
    for config in configs:
        trial_id = config.trial_id(0)
        assert [step for who, step in fakes.notes("start") if who == trial_id] == [0, 6]
        why = "lost its worker and goes on from its checkpoint: it reported no progress for"
        assert f"{trial_id} {why} {STALL_MIN:g} min" in outcome.messages
        assert [metrics.step for metrics in sweep.steps(trial_id)] == list(range(1, N_STEPS + 1))
    assert len(fakes.notes("finish")) == 4
    counts_are_equal(spec, sweep)
    nothing_is_left(sweep)

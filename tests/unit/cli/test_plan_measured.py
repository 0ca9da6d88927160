from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.cli.plan_measured import measured_notes
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.store.sweep_dir import SweepDir
from tests.fakes import fake_result, fake_spec, plain

SPEC = fake_spec()
CONFIG = SPEC.config(plain(1e-3))


@pytest.mark.parametrize(("peak", "n_notes"), [(1000, 0), (2**31, 1)])
def test_a_kind_that_needed_more_than_projected_is_said_once(
    tmp_path: Path, peak: int, n_notes: int
) -> None:
    sweep, shape = SweepDir(tmp_path), layout(read_config(CONFIG.model))
    assert list(measured_notes(sweep.spec_path, SPEC, shape)) == []
    for seed in (0, 1):
        result = fake_result(CONFIG, seed)
        assert result.cost is not None
        cost = replace(result.cost, peak_memory_bytes=peak + seed)
        sweep.write(replace(result, cost=cost))
    notes = list(measured_notes(sweep.spec_path, SPEC, shape))
    assert len(notes) == n_notes
    assert all(note.startswith("lora on bf16 none: trials needed up to 2.") for note in notes)
    assert list(measured_notes(tmp_path / "other.yaml", SPEC, shape)) == []


def test_results_that_cannot_be_read_are_said_and_the_plan_goes_on(tmp_path: Path) -> None:
    sweep, shape = SweepDir(tmp_path), layout(read_config(CONFIG.model))
    sweep.write(fake_result(CONFIG, 0))
    sweep.result_path(CONFIG.trial_id(0)).write_text("{")
    (note,) = measured_notes(sweep.spec_path, SPEC, shape)
    assert note.startswith("what its trials needed is not in this plan: ")
    assert CONFIG.trial_id(0) in note


def test_trials_of_another_space_say_nothing(tmp_path: Path) -> None:
    sweep, shape = SweepDir(tmp_path), layout(read_config(CONFIG.model))
    other = replace(CONFIG, training=replace(CONFIG.training, batch_size=3))
    result = fake_result(other, 0)
    assert result.cost is not None
    sweep.write(replace(result, cost=replace(result.cost, peak_memory_bytes=2**31)))
    assert list(measured_notes(sweep.spec_path, SPEC, shape)) == []

"""Checkpoints that were damaged while no driver ran, on a real Ray."""

import json
from pathlib import Path

import pytest

from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.sweep.runner import run_sweep
from tests.fakes import FakeMaker, fake_spec, plain
from tests.running import counts_are_equal, nothing_is_left

pytestmark = pytest.mark.sweeps

RATES = (1e-3, 2e-3, 3e-3, 4e-3)
STEP = 6


@pytest.mark.usefixtures("one_ray")
def test_a_resumed_sweep_names_damaged_checkpoints_and_loses_their_steps_alone(
    tmp_path: Path,
) -> None:
    """Of four trials under way one has a sound checkpoint; the others' are truncated, changed, and
    another trial's.
    """
    spec = fake_spec(5, first=tuple(plain(rate) for rate in RATES), concurrency=4)
    sweep, fakes = SweepDir(tmp_path / "sweep"), FakeMaker(tmp_path)
    searcher = StudySearcher(spec, sweep, target=5, first=spec.first)
    for name in "abcd":
        searcher.suggest(name)
    sound, truncated, changed, foreign = (each.trial_id for each in searcher.running)
    paths = {}
    for trial_id in (sound, truncated, changed, foreign):
        attempt = UnfinishedTrial(sweep, trial_id).begin()
        attempt.write_checkpoint(json.dumps({"step": STEP, "elapsed_sec": 0.5}).encode())
        paths[trial_id] = attempt.folder / "checkpoint"
    paths[truncated].write_bytes(paths[truncated].read_bytes()[:-4])
    content = paths[changed].read_bytes()
    paths[changed].write_bytes(content.replace(b'"step": 6', b'"step": 7'))
    paths[foreign].write_bytes(paths[sound].read_bytes())

    outcome = run_sweep(spec, sweep, fakes, view=lambda _: None, resume=True, n_cpus=2)

    assert (outcome.n_complete, outcome.n_failed) == (5, 0)
    first_steps = dict(reversed(fakes.notes("start")))
    assert [first_steps[trial_id] for trial_id in paths] == [STEP, 0, 0, 0]
    whys = {truncated: "is damaged", changed: "is damaged", foreign: f"is of {sound}"}
    for trial_id, why in whys.items():
        (message,) = [said for said in outcome.messages if said.startswith(trial_id)]
        assert "it starts from its first step instead of a checkpoint" in message
        assert f"{paths[trial_id].resolve()} {why}" in message
    assert not any(said.startswith(sound) for said in outcome.messages)
    counts_are_equal(spec, sweep)
    nothing_is_left(sweep)

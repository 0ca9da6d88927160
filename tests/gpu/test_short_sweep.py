"""A real sweep of two trials that share a GPU; `make test-gpu` runs it where there is one."""

import subprocess
import sys
from pathlib import Path

import pytest

from deft_sweeps.result import complete_trials
from deft_sweeps.store.sweep_dir import SweepDir

pytestmark = pytest.mark.gpu

SPEC = """
name: on-a-gpu
model: packaged/flan-t5-small-title
task: {kind: packaged, name: rotten-tomatoes, splits: {train: 500, validation: 64, test: 64}}
space:
  peft: [{lora: {r: 8}}]
  quantization: [none, nf4]
  density: [none]
  training: {steps: 4, batch_size: 8}
search: {seed: 0}
budget: {trials: 2, gpus_per_trial: 0.5}
"""


def test_two_trials_share_a_gpu(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    command = [sys.executable, "-m", "deft_sweeps", "run", str(spec), "--out", str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    trials = list(complete_trials(SweepDir(tmp_path / "x").results()))
    assert len(trials) == 2
    for trial in trials:
        assert trial.provenance is not None
        assert "cpu" not in trial.provenance.device.lower()

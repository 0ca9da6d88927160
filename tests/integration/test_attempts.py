"""Two workers train one trial at the same time: what one of them writes changes nothing of the
other's.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.search.trial_report import ATTEMPT
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import UnfinishedTrial, unfinished_trials
from deft_sweeps.store.weights_file import read_weights
from tests.fakes import N_STEPS, fake_spec, plain
from tests.integration.two_attempts import CONFIG, N_VALUES

pytestmark = pytest.mark.sweeps

TRIAL_ID = CONFIG.trial_id(0)


def worker(folder: Path, name: str, *, writes_again: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.integration.two_attempts", str(folder), name]
    return subprocess.Popen(
        [*command, str(writes_again)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("accepted", "other"), [("1", "2"), ("2", "1")])
def test_the_weights_are_those_of_the_accepted_attempt_whoever_writes_later(
    tmp_path: Path, accepted: str, other: str
) -> None:
    """The other worker writes its weights a hundred times, before and after the driver stores the
    result.
    """
    spec, sweep = fake_spec(1, first=(plain(1e-3),)), SweepDir(tmp_path / "sweep")
    searcher = StudySearcher(spec, sweep, target=1, first=spec.first)
    searcher.suggest("a")
    workers = {}
    try:
        for name in ("1", "2"):
            workers[name] = worker(tmp_path, name, writes_again=0 if name == accepted else 100)
            while not (tmp_path / f"begun-{name}").exists():
                assert workers[name].poll() is None
                time.sleep(0.01)
        printed, errors = workers[accepted].communicate(timeout=60)
        assert workers[accepted].returncode == 0, errors
        reported = json.loads(printed.splitlines()[-1])
        assert (reported["step"], reported[ATTEMPT]) == (N_STEPS, int(accepted))
        searcher.on_trial_complete("a", reported)
        stored = sweep.weights_path(TRIAL_ID).read_bytes()
        printed, errors = workers[other].communicate(timeout=60)
    finally:
        for process in workers.values():
            process.kill()
    assert "has ended on another worker" in errors or workers[other].returncode == 0, errors
    assert read_weights(sweep.weights_path(TRIAL_ID)) == stored
    weights = safetensors.numpy.load(stored)["lora"]
    assert weights.shape == (N_VALUES,)
    assert np.unique(weights).tolist() == [float(accepted)]
    (result,) = sweep.results()
    assert (result.trial_id, result.status) == (TRIAL_ID, "complete")
    assert searcher.n_finished == 1
    for left_over in unfinished_trials(sweep):  # By a write that had begun before.
        left_over.remove()
    assert UnfinishedTrial(sweep, TRIAL_ID).checkpoint() is None

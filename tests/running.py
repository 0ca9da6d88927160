"""What is asked of whole sweeps, and drivers in processes of their own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import ray
from optuna.trial import TrialState

from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.mlflow import ENDED, Mirror
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials

STATES = {"complete": TrialState.COMPLETE, "failed": TrialState.FAIL, "stopped": TrialState.PRUNED}


def counts_are_equal(spec: SweepSpec, sweep: SweepDir) -> None:
    """Every finished trial is in store, study and tracker, once, with the same ending."""
    stored = {result.trial_id: result.status for result in sweep.results()}
    study = optuna.load_study(study_name=spec.name, storage=sweep.study_url)
    mirrored = [(trial.user_attrs["trial_id"], trial.state) for trial in study.trials]
    assert len(mirrored) == len(stored)
    assert dict(mirrored) == {trial_id: STATES[status] for trial_id, status in stored.items()}
    assert Mirror(sweep, spec.name).trials() == {
        trial_id: ENDED[status] for trial_id, status in stored.items()
    }
    numbers = [result.number for result in sweep.results()]
    assert None not in numbers
    assert len(set(numbers)) == len(numbers)
    assert json.loads(sweep.pending_path.read_bytes())["running"] == []


def nothing_is_left(sweep: SweepDir) -> None:
    assert unfinished_trials(sweep) == ()
    # The Ray that the tests share has a folder of its own.
    assert (
        len(list(Path(tempfile.gettempdir()).glob(f"deft-{os.getpid()}-*"))) <= ray.is_initialized()
    )


def drive(root: Path, module: str = "tests.integration.drive") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", module, str(root)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for(
    holds: Callable[[], bool], process: "subprocess.Popen[str]", seconds: int = 120
) -> None:
    for _ in range(20 * seconds):
        if holds():
            return
        if process.poll() is not None:
            pytest.fail(process.communicate()[0])
        time.sleep(0.05)
    pytest.fail(f"waited {seconds} s for nothing")

"""A sweep whose results come one after another, with the mirrors' own process behind it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deft_sweeps.folder_check.folder_examination import examine_folder
from deft_sweeps.result import StepMetrics, TrialResult
from deft_sweeps.store.mlflow import SWEEP, TRIAL_ID
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.sweep_identity import sweep_id
from deft_sweeps.store.tracking_client import every_run, plain_client
from deft_sweeps.sweep.follower import Follower
from tests.fakes import fake_weights
from tests.searched_folder import YAML, note, search

N_STEPS = 20


def yaml_of(name: str, uri: str) -> str:
    """A sweep's YAML with a tracker."""
    return f"{YAML.replace('name: searched', f'name: {name}')}tracking_uri: {uri}\n"


class PlayedDrive:
    """Stores results as a driver does: the result, its steps and weights, then a nudge.

    Args:
        root: of the sweep's folder.
        yaml: of the sweep.
        n_trials: that it will have.
    """

    def __init__(self, root: Path, yaml: str, n_trials: int) -> None:
        played, self.spec = search(root / "played", n_trials, yaml)
        self._results: Iterator[TrialResult] = iter(played.results())
        shutil.rmtree(played.root)
        self.sweep, self.n_trials, self.troubles = SweepDir(root / "sweep"), n_trials, list[str]()
        self.sweep.write_spec(yaml.encode())
        sweep_id(self.sweep)
        self.sweep.write_note(note("searching", n_trials))
        (self.sweep.root / "weights").mkdir()
        self.follow()

    def follow(self) -> None:
        """Starts the mirrors' process, as a new driver does."""
        self.follower = Follower(self.sweep, self.spec, self.troubles.append)

    def store(self, n: int = 1) -> None:
        """The next results."""
        for _ in range(n):
            result = next(self._results)
            steps = [
                StepMetrics(
                    step=step,
                    task_loss=1 / step,
                    density_loss=0.5,
                    grad_norm=1.0,
                    learning_rate=1e-3,
                )
                for step in range(1, N_STEPS + 1)
            ]
            self.sweep.add_steps(result.trial_id, steps)
            self.sweep.weights_path(result.trial_id).write_bytes(fake_weights(result.trial_id))
            self.sweep.write(result, durably=False)
            self.follower.nudge(result.trial_id)

    def close(self) -> bool:
        """The driver's end; whether the mirrors are level with the store."""
        self.sweep.write_note(note("finished", self.n_trials))
        return self.follower.close(patience_sec=120.0)


def wait_for(trouble: str, troubles: list[str]) -> None:
    """Until a sentence that holds `trouble` has come."""
    until = time.monotonic() + 120
    while not any(trouble in sentence for sentence in troubles):
        assert time.monotonic() < until, troubles
        time.sleep(0.1)


def disagreements(sweep: SweepDir) -> list[str]:
    """Where store, study mirror and tracker differ, or what could not be checked."""
    return [
        line
        for check in examine_folder(sweep)
        for line in (
            *(problem.what for problem in check.checked.problems),
            *filter(None, [check.checked.reason_unchecked]),
        )
    ]


def runs_at(uri: str, name: str) -> tuple[list[Any], list[Any]]:
    """Runs of sweeps, and of trials, in an experiment; none that was deleted."""
    client = plain_client(uri)
    runs = every_run(client, client.get_experiment_by_name(name).experiment_id, "")
    return (
        [run for run in runs if SWEEP in run.data.tags],
        [run for run in runs if TRIAL_ID in run.data.tags],
    )

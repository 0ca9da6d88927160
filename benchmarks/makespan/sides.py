"""Runs either side on a workload, in processes of its own, and reads what it did."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from benchmarks.makespan.phases import Seconds, seconds, sweep_phase_ends, total
from benchmarks.makespan.process_tree import Finished, run
from benchmarks.makespan.workload import Workload
from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.result import CompleteTrial, complete_trials
from deft_sweeps.store.sweep_dir import SweepDir

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, SCRIPT_REUSED, OURS = "script", "script, reused actors", "deft-sweeps"
_SCRIPT_COMMAND = "from benchmarks.makespan.plain_script import main; main()"


@dataclass(frozen=True, slots=True)
class TrainedTrial:
    """What one configuration came to.

    Attributes:
        loss: of the last step's batch: task plus weighted density loss.
        points: threshold, score and density.
    """

    loss: float
    points: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class SideRun:
    """One run of a side.

    Attributes:
        phases: seconds by phase.
        trials: by config_id.
        other_load: share of the machine's cores that other programs used meanwhile, in [0, 1].
        n_twins: trials beyond the configurations.
        n_finals: measurements on the test split.
    """

    name: str
    phases: Mapping[str, Seconds]
    trials: Mapping[str, TrainedTrial]
    other_load: float
    n_twins: int = 0
    n_finals: int = 0

    @property
    def whole(self) -> Seconds:
        """From the start of the program to its end."""
        return total(self.phases)


def run_script(workload: Workload, *, reuse_actors: bool) -> SideRun:
    """The plain script.

    Raises:
        RuntimeError: it failed.
    """
    with TemporaryDirectory(prefix="mks-") as name:
        folder = Path(name)
        workload.write_examples(folder / "examples.json")
        settings = workload.script_settings(folder, reuse_actors=reuse_actors)
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        environment = {
            # Without these Ray would write ~/.ray/auth_token.
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "SCRIPT_RAY_FOLDER": str(folder / "ray"),
            "PYTHONPATH": str(ROOT),  # Workers import the script's modules.
        }
        command = [sys.executable, "-c", _SCRIPT_COMMAND, str(folder / "settings.json")]
        with (folder / "log.txt").open("w") as log:
            done = run(command, environment, folder, log)
        outcomes = json.loads((folder / "outcomes.json").read_bytes())
    ends = {
        "start-up": min(outcome["began"] for outcome in outcomes),
        "trials": max(outcome["ended"] for outcome in outcomes),
    }
    trials = {
        outcome["name"]: TrainedTrial(
            outcome["losses"][-1],
            tuple((p["threshold"], p["score"], p["density"]) for p in outcome["points"]),
        )
        for outcome in outcomes
    }
    return SideRun(
        SCRIPT_REUSED if reuse_actors else SCRIPT, _phases(done, ends), trials, _other_load(done)
    )


def run_ours(workload: Workload) -> SideRun:
    """This project, by its command line.

    Raises:
        RuntimeError: it failed, or a trial did.
    """
    configs = workload.configs()
    expected = frozenset(config.config_id for config in configs)
    with TemporaryDirectory(prefix="mks-") as name:
        folder = Path(name)
        workload.write_examples(folder / "examples.json")  # Its cache is full, as the script's is.
        (folder / "makespan.yaml").write_text(workload.spec_text(), encoding="utf-8")
        command = [
            str(Path(sys.executable).with_name("deft-sweeps")),
            *("run", "makespan.yaml", "--out", "sweep"),
        ]
        with (folder / "log.txt").open("w") as log:
            done = run(command, {}, folder, log)
        sweep = SweepDir(folder / "sweep")
        results = complete_trials(sweep.results())
        missing = expected - {result.config_id for result in results}
        if missing:
            raise RuntimeError(f"no complete trial of {', '.join(sorted(missing))}")
        ends = sweep_phase_ends(sweep, expected)
        return SideRun(
            OURS,
            _phases(done, ends),
            {
                result.config_id: _trained(sweep, result)
                for result in results
                if result.config_id in expected
            },
            _other_load(done),
            n_twins=sum(result.config_id not in expected for result in results),
            n_finals=len(sweep.finals()),
        )


def _trained(sweep: SweepDir, result: CompleteTrial) -> TrainedTrial:
    last = sweep.steps(result.trial_id)[-1]
    density = result.config.density
    weight = density.weight if isinstance(density, DensityLoss) else 0.0
    return TrainedTrial(
        last.task_loss + weight * last.density_loss,
        tuple((p.threshold, p.score.value, p.density.overall) for p in result.points),
    )


def _phases(done: Finished, ends: dict[str, float]) -> dict[str, Seconds]:
    return seconds(done.began, ends, done.ended, done.cpu.at)


def _other_load(done: Finished) -> float:
    return done.other_cpu_sec / (done.ended - done.began) / (os.cpu_count() or 1)

"""Kills the driver of a sweep at random moments, and counts the trials that were lost or doubled.

    python -m benchmarks.kills --rounds 30

Each round is a sweep of its own, with trials in closed form on a real Ray. Its driver is killed
with SIGKILL at a random moment, and another takes up the folder, until the sweep is finished. Then
every trial must be there once:

- lost: trials missing in the results, in MLflow or in the Optuna study, checkpoints that nobody
  resumed, and results that a kill changed or removed;
- doubled: trials beyond the budget, numbers of proposals that two results have, and trials that a
  mirror has twice.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
from mlflow import MlflowClient

from benchmarks.search import closed_form
from benchmarks.search.replay import ReplayMaker
from deft_sweeps.result import TrialResult
from deft_sweeps.specification.search_settings import Budget, Halving
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials

N_TRIALS = 16
TRIAL_SEC = 1.5
LIVES_SEC = 5.0
"""A driver is killed within this time of its first running trial; one in EARLY, of its start."""
EARLY = 5
PATIENCE_SEC = 600.0


@dataclass(frozen=True, slots=True)
class Round:
    """What a sweep came to.

    Attributes:
        kills: drivers that were killed.
        resumed: trials that went on from a checkpoint or began again.
        lost, doubled: sentences, one a trial.
    """

    kills: int
    resumed: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]


def spec_of(round_number: int) -> SweepSpec:
    """Every second round stops trials early."""
    problem = closed_form.make("bent")
    search = replace(problem.spec.search, sampler="tpe", seed=round_number)
    return replace(
        problem.spec,
        search=search,
        budget=Budget(trials=N_TRIALS, concurrency=2, max_failures=0, checkpoint_minutes=1e-5),
        stopping=Halving() if round_number % 2 else problem.spec.stopping,
    )


def drive(root: Path, round_number: int) -> None:
    """A driver, in a process of its own."""
    from deft_sweeps.sweep.runner import run_sweep

    problem = closed_form.make("bent")
    step_sec = TRIAL_SEC / problem.rungs[-1]
    run_sweep(
        spec_of(round_number),
        SweepDir(root),
        ReplayMaker(problem, step_sec),
        view=lambda _: None,
        resume=True,
        n_cpus=2,
    )


def play(round_number: int, max_kills: int, rng: np.random.Generator, folder: Path) -> Round:
    """One sweep, through its kills to its end; the driver after the last kill is left alone."""
    sweep = SweepDir(folder / "sweep")
    stored: dict[str, bytes] = {}
    changed: list[str] = []
    n_kills = n_resumed = 0
    is_finished = False
    while not is_finished:
        command = [sys.executable, "-m", "benchmarks.kills", "--drive", str(sweep.root)]
        process = subprocess.Popen([*command, "--round", str(round_number)])
        if n_kills < max_kills and killed(process, sweep, rng):
            n_kills += 1
            n_resumed += len(running_in(sweep))
        else:
            is_finished = True
            if process.wait(PATIENCE_SEC) != 0:
                raise RuntimeError(f"{sweep.root}: a driver ended with {process.returncode}")
        changed += [i for i, text in stored.items() if content(sweep, i) != text]
        stored = {trial_id: content(sweep, trial_id) for trial_id in sweep.trial_ids()}
    lost, doubled = counted(spec_of(round_number), sweep, changed)
    return Round(n_kills, n_resumed, tuple(lost), tuple(doubled))


def killed(process: subprocess.Popen[bytes], sweep: SweepDir, rng: np.random.Generator) -> bool:
    """Kills a driver at a random moment; False if it ended before."""
    is_early = rng.integers(EARLY) == 0
    began = time.monotonic()
    while not is_early and process.poll() is None and time.monotonic() - began < PATIENCE_SEC:
        note = sweep.note()
        if note is not None and note.pid == process.pid and note.running:
            break
        time.sleep(0.02)
    try:
        process.wait(rng.uniform(0.0, LIVES_SEC))
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def content(sweep: SweepDir, trial_id: str) -> bytes:
    """Of a result; nothing if it is gone."""
    path = sweep.result_path(trial_id)
    return path.read_bytes() if path.exists() else b""


def running_in(sweep: SweepDir) -> list[str]:
    """Trials that the record says are running."""
    if not sweep.pending_path.exists():
        return []
    rows = json.loads(sweep.pending_path.read_bytes())["running"]
    return [row["trial_id"] for row in rows if not sweep.result_path(row["trial_id"]).exists()]


def counted(spec: SweepSpec, sweep: SweepDir, changed: list[str]) -> tuple[list[str], list[str]]:
    """What was lost, and what is doubled."""
    results = sweep.results()
    ids = {result.trial_id for result in results}
    lost = [f"{trial_id}: its result changed or is gone" for trial_id in changed]
    lost += [f"{trial.trial_id}: was not resumed" for trial in unfinished_trials(sweep)]
    lost += [f"{trial_id}: in the record, not in the results" for trial_id in running_in(sweep)]
    if len(ids) < spec.budget.trials:
        lost.append(f"{spec.budget.trials - len(ids)} of {spec.budget.trials} trials")
    doubled = [f"{len(ids)} trials, not {N_TRIALS}"] if len(ids) > N_TRIALS else []
    doubled += [f"number {number} of {n} results" for number, n in twice(numbers(results))]
    for name, mirrored in (("study", in_study(spec, sweep)), ("MLflow", in_mlflow(spec, sweep))):
        lost += [f"{trial_id}: not in {name}" for trial_id in ids - set(mirrored)]
        doubled += [f"{trial_id}: {n} times in {name}" for trial_id, n in twice(mirrored)]
    return lost, doubled


def numbers(results: tuple[TrialResult, ...]) -> list[str]:
    """Of the proposals."""
    return [str(result.number) for result in results]


def twice(names: list[str]) -> list[tuple[str, int]]:
    """Those that come more than once."""
    return [(name, n) for name, n in Counter(names).items() if n > 1]


def in_study(spec: SweepSpec, sweep: SweepDir) -> list[str]:
    """Trial_ids of the mirrored study."""
    study = optuna.load_study(study_name=spec.name, storage=sweep.study_url)
    return [trial.user_attrs["trial_id"] for trial in study.get_trials(deepcopy=False)]


def in_mlflow(spec: SweepSpec, sweep: SweepDir) -> list[str]:
    """Trial_ids of MLflow's runs."""
    client = MlflowClient(tracking_uri=sweep.mlflow_url)
    experiment = client.get_experiment_by_name(spec.name)
    if experiment is None:
        return []
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return [run.data.tags["trial_id"] for run in runs if "trial_id" in run.data.tags]


def main() -> None:
    """Plays the rounds and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--kills", type=int, default=5, help="at most, in a round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--round", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive is not None:
        drive(arguments.drive, arguments.round)
        return
    rng, began = np.random.default_rng(arguments.seed), time.monotonic()
    rounds: list[Round] = []
    for number in range(arguments.rounds):
        if time.monotonic() - began > 60 * arguments.minutes:
            break
        with tempfile.TemporaryDirectory() as folder:
            done = play(number, arguments.kills, rng, Path(folder))
        rounds.append(done)
        print(
            f"round {number}: {done.kills} kills, {done.resumed} trials resumed",
            f"{len(done.lost)} lost, {len(done.doubled)} doubled",
            *done.lost,
            *done.doubled,
            sep="\n  ",
            flush=True,
        )
    kills, resumed = sum(r.kills for r in rounds), sum(r.resumed for r in rounds)
    lost, doubled = sum(len(r.lost) for r in rounds), sum(len(r.doubled) for r in rounds)
    print(f"{len(rounds)} rounds, {kills} kills, {resumed} resumed: {lost} lost, {doubled} doubled")
    sys.exit(1 if lost or doubled else 0)


if __name__ == "__main__":
    main()

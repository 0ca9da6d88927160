"""Cost of a sweep besides its trials: CPU time of the driver and wall time per trial.

    python -m benchmarks.scale --trials 10000
    python -m benchmarks.scale --trials 1000 --storage sqlite
    python -m benchmarks.scale --trials 20000 --without-ray
    python -m benchmarks.scale --trials 2000 --examples 2000 --optuna 0

Trials are replayed from a closed form, take no time and report once; two run at a time. The
driver's CPU time includes proposals, launches, reports and the store. MLflow is written by a
separate process; its CPU time, and how long it lags at the end, are printed too.

The comparison is Ray Tune alone, with as many trials, reused actors, its own random search and its
default loggers. Ray Tune with OptunaSearch is measured for `--optuna` trials and extrapolated
beyond, which the output says. Each runs in a process of its own, since ten thousand trials leave
memory behind that slows the next measurement.

`--without-ray` runs the searcher and the store alone, which shows what of the driver's time and
memory is theirs. `--examples` gives each result the scores of so many examples at each threshold.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.search import closed_form
from benchmarks.search.replay import ReplayMaker, ReplayRun
from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.outcomes import ExampleScores
from deft_sweeps.result import CompleteTrial
from deft_sweeps.specification.sampler_entry import SamplerName
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.store.sweep_dir import SweepDir

N_MARKS = 10
MOST_CPU_MS, MOST_WALL, MOST_GROWTH = 100.0, 1.3, 1.5
"""Requirements: CPU ms per trial, wall time over Ray Tune alone, CPU of the last tenth over the
second."""


@dataclass(frozen=True, slots=True)
class Mark:
    """State of the driver after `n` trials; `peak_bytes` is its largest memory so far."""

    n: int
    cpu_sec: float
    wall_sec: float
    peak_bytes: int


@dataclass(frozen=True)
class NoLength(ReplayMaker):
    """Trials that take no time.

    Attributes:
        n_examples: whose scores a result has at each threshold.
        is_reported_once: as those of Ray Tune alone; else a trial reports as often as a real one.
    """

    n_examples: int = 0
    is_reported_once: bool = True

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> "NoLengthRun":
        step = self.problem.rungs[-1] - 1 if self.is_reported_once else 0
        return NoLengthRun(self.problem, 0.0, config, seed, step, time.time(), self.n_examples)


@dataclass
class NoLengthRun(ReplayRun):
    """One of these trials."""

    n_examples: int

    def finish(self) -> CompleteTrial:
        rng = np.random.default_rng([self.seed, int(self.config.config_id, 16)])
        made = super().finish()
        return replace(
            made,
            points=tuple(
                replace(
                    p,
                    example_scores=ExampleScores.of(rng.integers(2, size=self.n_examples).tolist()),
                )
                for p in made.points
            ),
        )


class Marks:
    """Takes a mark whenever another tenth of the trials is done."""

    def __init__(self, n: int) -> None:
        self._every, self.taken = max(1, n // N_MARKS), [_mark(0)]
        self.last = self.taken[0]

    def note(self, n_done: int) -> None:
        if n_done >= self.taken[-1].n + self._every:
            self.last = _mark(n_done)
            self.taken.append(self.last)


def _mark(n: int) -> Mark:
    return Mark(
        n,
        time.process_time(),
        time.time(),
        1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    )


def sweep(
    n: int,
    sampler: SamplerName,
    storage: str,
    n_examples: int = 0,
    is_reported_once: bool = True,
) -> list[Mark]:
    """Runs a whole sweep of replayed trials and prints the cost of the tracker."""
    from deft_sweeps.sweep.runner import run_sweep

    problem = closed_form.make("bent")
    search = replace(problem.spec.search, sampler=sampler, storage=storage)
    spec = replace(problem.spec, budget=Budget(trials=n, concurrency=2), search=search)
    maker = NoLength(problem, 0.0, n_examples, is_reported_once)
    marks = Marks(n)
    with tempfile.TemporaryDirectory() as folder:
        sweep_dir = SweepDir(Path(folder) / "scale")
        outcome = run_sweep(spec, sweep_dir, maker, view=lambda p: marks.note(p.n_done), n_cpus=2)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"MLflow's process and Ray's, ended: {used.ru_utime + used.ru_stime:.0f} s CPU; "
        f"the sweep ended {time.time() - marks.last.wall_sec:.0f} s after its last trial: "
        f"{'; '.join(outcome.messages) or 'the tracker has them all'}"
    )
    return marks.taken


def alone_with_store(n: int, sampler: SamplerName, n_examples: int) -> list[Mark]:
    """Proposes and stores `n` trials, one after the other, without Ray and the tracker."""
    from deft_sweeps.search.searcher import StudySearcher
    from deft_sweeps.search.trial_report import report

    problem = closed_form.make("bent")
    search = replace(problem.spec.search, sampler=sampler)
    spec = replace(problem.spec, budget=Budget(trials=n, concurrency=1), search=search)
    maker, marks = NoLength(problem, n_examples=n_examples), Marks(n)
    with tempfile.TemporaryDirectory() as folder:
        searcher = StudySearcher(spec, SweepDir(Path(folder) / "scale"), target=n)
        for number in range(n):
            proposed = searcher.suggest(str(number))
            if not isinstance(proposed, dict):
                raise RuntimeError(f"nothing was proposed after {number} trials")
            config: TrialConfig = codec(TrialConfig).validate_json(str(proposed["config"]))
            run = maker.start(config, int(str(proposed["seed"])), None)
            searcher.on_trial_complete(str(number), report(run.step, (), run.finish()))
            marks.note(number + 1)
    return marks.taken


def bare(n: int, *, optuna: bool = False) -> list[Mark]:
    """Runs Ray Tune alone with two workers and empty trials."""
    import ray
    from ray import tune
    from ray.tune import Callback, Trainable
    from ray.tune.search.optuna import OptunaSearch

    class Nothing(Trainable):  # type: ignore[misc]  # Ray ships no types
        def step(self) -> dict[str, Any]:
            return {
                "score": self.config["x"],
                "activation_density": 1 - self.config["x"],
                "done": True,
            }

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.config = new_config
            return True

        def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
            return {}

        def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
            pass

    class Counter(Callback):  # type: ignore[misc]  # Ray ships no types
        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            self.n = getattr(self, "n", 0) + 1
            marks.note(self.n)

    marks = Marks(n)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # A socket's path must be short.
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=40,
            _temp_dir=folder,
        )
        try:
            tune.run(
                Nothing,
                config={"x": tune.uniform(0, 1)},
                num_samples=n,
                search_alg=OptunaSearch(metric=["score", "activation_density"], mode=["max", "min"])
                if optuna
                else None,
                callbacks=[Counter()],
                max_concurrent_trials=2,
                resources_per_trial={"cpu": 1},
                reuse_actors=True,
                storage_path=folder,
                verbose=0,
            )
        finally:
            ray.shutdown()
    return marks.taken


def in_own_process(measured: Callable[..., list[Mark]], *arguments: Any) -> list[Mark]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, *arguments).result()


def show(name: str, marks: list[Mark]) -> None:
    first = marks[0]
    for before, after in pairwise(marks):
        n = after.n - before.n
        print(
            f"{name:24} {after.n:7} trials  {1e3 * (after.cpu_sec - before.cpu_sec) / n:7.1f} ms "
            "CPU a trial  "
            f"{1e3 * (after.wall_sec - before.wall_sec) / n:7.1f} ms wall a trial  "
            f"{after.peak_bytes / 2**20:6.0f} MiB at most  "
            f"{after.wall_sec - first.wall_sec:6.0f} s",
            flush=True,
        )


def each(marks: list[Mark]) -> tuple[float, float]:
    """CPU and wall milliseconds per trial.

    The first tenth is left out: it starts Ray and its workers.
    """
    a, b = marks[1] if len(marks) > 2 else marks[0], marks[-1]
    return 1e3 * (b.cpu_sec - a.cpu_sec) / (b.n - a.n), 1e3 * (b.wall_sec - a.wall_sec) / (
        b.n - a.n
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--sampler", choices=get_args(SamplerName), default="front")
    parser.add_argument("--storage", default="auto")
    parser.add_argument(
        "--optuna",
        type=int,
        default=300,
        help="trials of Ray Tune with OptunaSearch; 0 leaves it out",
    )
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--without-ray", action="store_true")
    arguments = parser.parse_args()
    if arguments.without_ray:
        marks = alone_with_store(arguments.trials, arguments.sampler, arguments.examples)
        show("searcher and store", marks)
        return
    alone = in_own_process(bare, arguments.trials)
    show("Ray Tune alone", alone)
    ours = in_own_process(
        sweep, arguments.trials, arguments.sampler, arguments.storage, arguments.examples
    )
    show(f"sweep, {arguments.sampler}", ours)
    (cpu, wall), (_, bare_wall) = each(ours), each(alone)
    growth = (
        (ours[-1].cpu_sec - ours[-2].cpu_sec) / max(1e-9, ours[2].cpu_sec - ours[1].cpu_sec)
        if len(ours) > 3
        else 1.0
    )
    print(f"driver's CPU a trial: {cpu:.1f} ms (required: at most {MOST_CPU_MS:g})")
    print(
        f"wall a trial over Ray Tune alone: {wall:.1f} / {bare_wall:.1f} ms = "
        f"{wall / bare_wall:.2f} (required: at most {MOST_WALL})"
    )
    print(f"last tenth's CPU over the second's: {growth:.2f} (required: at most {MOST_GROWTH})")
    if arguments.optuna:
        rival = in_own_process(partial(bare, optuna=True), arguments.optuna)
        show("Ray Tune, OptunaSearch", rival)
        slope = (
            (each(rival[-3:])[0] - each(rival[:3])[0]) / (rival[-1].n - rival[2].n)
            if len(rival) > 5
            else 0.0
        )
        at = each(rival[-3:])[0] + slope * (arguments.trials - rival[-1].n)
        print(
            f"OptunaSearch at {arguments.trials} trials: {at:.1f} ms CPU a trial, extrapolated in "
            f"a straight line from {rival[-1].n}"
        )


if __name__ == "__main__":
    from benchmarks import scale

    scale.main()  # Imported, since workers cannot unpickle what `__main__` defines.

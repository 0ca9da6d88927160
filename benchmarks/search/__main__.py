"""Prints what each searcher needed to reach 95 % of the true front's hypervolume."""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

import deft_sweeps
from benchmarks.search import closed_form, synetune, table
from benchmarks.search.arms import INFORMED, MO_ASHA, OURS, is_rival, make_arm, names
from benchmarks.search.measure import (
    TARGET,
    Effort,
    Run,
    median,
    needed,
    ratio,
    run,
    truths_of,
    used,
)
from benchmarks.search.oracle import fewest
from benchmarks.search.problem import Problem
from deft_sweeps.config.trial import codec
from deft_sweeps.store.atomic_file import write_atomically

WHOLE = f"{OURS}front"
HALVED = f"{OURS}front+halving"
OTHERS_SHOWN = ("random", "tpe")
BUDGETS = {"random": 3000, "gp": 60, "mo-asha": 60, "mo-asha-mended": 120}
BUDGET = 600
"""Trials of a run that does not reach the target.

A searcher that stops trials early has as many steps as these trials have. Some searchers take
seconds per proposal, so BUDGETS gives them fewer."""


@dataclass(frozen=True, slots=True)
class Target:
    """A requirement on this project's search: a ratio of medians.

    Attributes:
        rival: a searcher, or `best`: the one of the others with the least effort.
        at_most: largest allowed ratio.
    """

    arm: str
    what: Effort
    rival: str
    at_most: float


TARGETS = (
    Target(WHOLE, "trials", "random", 1 / 5),
    Target(HALVED, "steps", "random", 1 / 10),
    Target(WHOLE, "trials", "tpe", 1 / 2),
    Target(WHOLE, "trials", "best", 1.0),
    Target(HALVED, "steps", "best", 1.0),
)


@cache
def landscape(name: str, source: Path | None) -> Problem:
    return closed_form.make(name) if name in closed_form.NAMES else table.load(name, source)


@dataclass(frozen=True, slots=True)
class Job:
    """One run; it is read from the cache if it has been made before."""

    problem: str
    source: Path | None
    arm: str
    seed: int
    workers: int
    trials: int
    cache: Path
    synetune: Path

    def path(self, problem: Problem) -> Path:
        """Cache file; its name changes with everything that the run depends on."""
        contents = [
            problem.digest,
            self.workers,
            self.trials,
            version("optuna"),
            version("ray"),
            "" if is_rival(self.arm) else _sources(),
        ]
        key = hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:10]
        return self.cache / f"{self.problem}-{self.arm}-{self.seed}-{key}.json"


def make(job: Job) -> Run:
    problem = landscape(job.problem, job.source)
    path = job.path(problem)
    if path.exists():
        cached: Run = codec(Run).validate_json(path.read_bytes())
        return cached
    arm = make_arm(job.arm, problem, job.seed, job.synetune)
    try:
        made = run(
            problem,
            job.arm,
            arm,
            job.seed,
            workers=job.workers,
            max_steps=job.trials * problem.rungs[-1],
        )
    finally:
        arm.close()
    write_atomically(path, codec(Run).dump_json(made))
    return made


@cache
def _sources() -> str:
    """Digest of this project's search code. A run is repeated if the code has changed."""
    package = Path(deft_sweeps.__file__).parent
    files = (
        path
        for room in ("study", "sampler", "stopping", "search")
        for path in sorted((package / room).rglob("*.py"))
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:10]


def made_in_turn(jobs: Sequence[Job], n_processes: int) -> Iterable[Run]:
    if n_processes == 1:
        yield from map(make, jobs)
        return
    with ProcessPoolExecutor(n_processes) as pool:
        yield from pool.map(make, jobs)


def table_lines(runs: Sequence[Run], order: Sequence[str]) -> list[str]:
    """One row per searcher: the effort of its median run, and the ratios to others."""
    by_arm = {name: [run for run in runs if run.arm == name] for name in order}
    head = f"{'':18}{'trials to 95 %':>22}{'steps':>30}{'reached':>9}"
    head += (
        "".join(
            f"{what + ' / ' + rival:>26}" for rival in OTHERS_SHOWN for what in ("trials", "steps")
        )
        + f"{'trials, log density':>24}"
    )
    lines = [head]
    for name, of_arm in by_arm.items():
        if not of_arm:
            continue
        trials, steps = needed(of_arm, "linear", "trials"), needed(of_arm, "linear", "steps")
        reached = f"{int(np.isfinite(trials).sum())}/{len(trials)}"
        cells = f"{name:18}{median(trials)!s:>22}{median(steps)!s:>30}{reached:>9}"
        for rival in OTHERS_SHOWN:
            for what in ("trials", "steps"):
                cells += f"{_ratio(of_arm, by_arm.get(rival, []), what):>26}"
        lines.append(cells + f"{median(needed(of_arm, 'log', 'trials'))!s:>24}")
    return lines


def _ratio(runs: Sequence[Run], rivals: Sequence[Run], what: Effort) -> str:
    if not rivals:
        return "not run"
    return str(
        ratio(needed(runs, "linear", what), needed(rivals, "linear", what), used(rivals, what))
    )


def oracle_lines(problem: Problem) -> list[str]:
    """The fewest trainings of a table that reach the target; empty for a closed form.

    Only a searcher that knew all results could choose them.
    """
    if not isinstance(problem, table.Table):
        return []
    points = [problem.true_points(config) for config in problem.configs]
    (linear, exact), (log, log_exact) = (
        fewest(points, truth, TARGET) for truth in truths_of(problem)
    )
    cells = (
        f"{'<= ' * (not exact)}{linear}",
        f"{'<= ' * (not exact)}{linear * problem.rungs[-1]}",
        f"{'<= ' * (not log_exact)}{log}",
    )
    return [
        f"{'oracle':18}{cells[0]:>22}{cells[1]:>30}   no searcher can need fewer; log density: "
        f"{cells[2]}"
    ]


def target_lines(runs: Sequence[Run]) -> list[str]:
    """One line per target: the required ratio, the measured ratio and a verdict."""
    by_arm: dict[str, list[Run]] = {}
    for one in runs:
        by_arm.setdefault(one.arm, []).append(one)
    lines = []
    for target in TARGETS:
        others = {name: of_arm for name, of_arm in by_arm.items() if is_rival(name)}
        rival = target.rival
        if rival == "best" and others:
            rival = min(
                others, key=lambda name: median(needed(others[name], "linear", target.what)).value
            )
        requirement = (
            f"{target.arm}: {target.what} at most {target.at_most:g} of {target.rival}'s"
            + f" ({rival})" * (target.rival != rival)
        )
        if target.arm not in by_arm or rival not in by_arm:
            lines.append(f"{requirement}: not run")
            continue
        other = by_arm[rival]
        estimate = ratio(
            needed(by_arm[target.arm], "linear", target.what),
            needed(other, "linear", target.what),
            used(other, target.what),
        )
        verdict = (
            "reached"
            if estimate.value <= target.at_most
            else "within noise"
            if estimate.low <= target.at_most
            else "missed"
        )
        lines.append(f"{requirement}: {estimate}, {verdict}")
    return lines


def main() -> None:
    arguments = _arguments()
    if arguments.install_synetune:
        synetune.install(arguments.synetune)
    arms = list(dict.fromkeys(arguments.arms))
    if set(MO_ASHA) & set(arms) and not synetune.is_installed(arguments.synetune):
        arms = [name for name in arms if name not in MO_ASHA]
        print(
            f"mo-asha left out: no Syne Tune in {arguments.synetune}, --install-synetune puts it "
            "there",
            file=sys.stderr,
        )
    try:
        landscapes = {name: landscape(name, arguments.source) for name in arguments.problem}
    except ValueError as error:
        sys.exit(f"error: {error}")
    finished = []
    for problem in arguments.problem:
        jobs = [
            Job(
                problem,
                arguments.source,
                arm,
                seed,
                arguments.workers,
                arguments.trials or BUDGETS.get(arm, BUDGET),
                arguments.cache,
                arguments.synetune,
            )
            for seed in range(
                arguments.seeds
            )  # Seeds outside: stopped early, what there is can be compared.
            for arm in arms
            if arm != INFORMED or isinstance(landscapes[problem], table.Table)
        ]
        arguments.cache.mkdir(parents=True, exist_ok=True)
        began, runs = time.time(), []
        for made in made_in_turn(jobs, arguments.jobs):
            runs.append(made)
            hit = made.hits["linear"]
            got = (
                f"{hit.trials} trials, {hit.steps} steps"
                if hit.trials
                else f"{made.shares[-1]:.3f} after {len(made.shares)} trials"
            )
            print(
                f"{time.time() - began:6.0f} s {problem} {made.arm} seed {made.seed}: {got}",
                file=sys.stderr,
                flush=True,
            )
        finished += runs
        if not arguments.json:
            how = (
                f"{arguments.workers} workers, {arguments.seeds} seeds, median [95 % interval]; - "
                "not reached"
            )
            print(f"{problem}: {landscapes[problem].note}; {how}")
            print(
                "\n".join(
                    table_lines(runs, arms) + oracle_lines(landscapes[problem]) + target_lines(runs)
                ),
                end="\n\n",
                flush=True,
            )
    if arguments.json:
        print(json.dumps([codec(Run).dump_python(made, mode="json") for made in finished]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search", description=f"{__doc__} The target is {TARGET:.0%}."
    )
    tables = sorted(file.stem for file in table.TABLES.glob("*.yaml"))
    parser.add_argument(
        "--problem",
        nargs="+",
        default=list(closed_form.NAMES),
        choices=[*closed_form.NAMES, *tables],
    )
    parser.add_argument(
        "--source",
        type=Path,
        help=(
            "folder of trainings, or packed table, to read instead of the one in benchmarks/tables"
        ),
    )
    parser.add_argument(
        "--arms",
        nargs="+",
        default=["random", "tpe", "nsga2-12", f"{OURS}tpe"],
        choices=names(),
        metavar="ARM",
        help=", ".join(names()),
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=4, help="trials at a time, simulated")
    parser.add_argument(
        "--trials",
        type=int,
        help=(
            f"budget of a run; {BUDGET}, {', '.join(f'{name} {n}' for name, n in BUDGETS.items())}"
        ),
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--synetune",
        type=Path,
        default=synetune.ENVIRONMENT,
        help="environment with Syne Tune, for mo-asha",
    )
    parser.add_argument(
        "--install-synetune", action="store_true", help="make that environment first"
    )
    parser.add_argument("--json", action="store_true", help="every run, instead of the table")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("runs/search"),
        help="folder of finished runs, which are not made again",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

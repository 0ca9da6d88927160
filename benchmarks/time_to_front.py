"""Time until a sweep has the front that a plain script with random search ends with.

    python -m benchmarks.time_to_front [--trials N] [--seeds N] [--script START TRIAL END] ...

Two parts, multiplied. **Trials**: on the tables of real trainings, random search runs its trials;
this project's search runs until its front has the same share of the true front's hypervolume.
**Seconds**: start-up, wall time per trial and end of either side as `benchmarks.makespan` measures
them, two trials at a time. Which trials are chosen does not change the seconds of one here, so the
times are projected from measured parts, not measured.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.search import table
from benchmarks.search.arms import make_arm
from benchmarks.search.measure import Progress, truths_of
from benchmarks.search.simulate import Ended, simulate

OURS, RANDOM = "ours-front", "random"
WORKERS = 2
MOST = 4
"""This project's search gives up after so many times the trials of random search."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall seconds of a side.

    Attributes:
        start: until its first trial begins.
        trial: of the phase of the trials over their number.
        end: after the last trial.
    """

    start: float
    trial: float
    end: float

    def of(self, n_trials: float) -> float:
        """A whole sweep of that many trials."""
        return self.start + self.trial * n_trials + self.end


SCRIPT = Seconds(15.8, 31.1, 3.5)
PROJECT = Seconds(21.5, 16.5, 5.4)
"""Both of one pair of `benchmarks.makespan --trials 24 --script fresh` (bfloat16, 20 steps)."""


@dataclass(frozen=True, slots=True)
class Race:
    """One seed on one table.

    Attributes:
        n_random: trials of random search.
        share: of the true front's volume that these reach.
        n_ours: trials after which this project's search reaches it; None if it gave up.
    """

    n_random: int
    share: float
    n_ours: int | None


def race(problem: table.Table, seed: int, n_trials: int) -> Race:
    """Random search to its end, then this project's search until it is as good."""
    share = shares_of(problem, RANDOM, seed, n_trials)[-1]
    return Race(
        n_trials, share, trials_to(share, shares_of(problem, OURS, seed, MOST * n_trials, share))
    )


def shares_of(
    problem: table.Table, name: str, seed: int, n_trials: int, until: float = float("inf")
) -> list[float]:
    """Share of the true front's volume after each trial, to the trial that reaches `until`.

    Densities are on the linear scale; a configuration counts with its mean over seeds.
    """
    progress = Progress(problem, truths_of(problem)[:1])
    shares: list[float] = []

    def enough(ended: Ended) -> bool:
        progress.add(ended)
        shares.append(progress.shares[0])
        return shares[-1] >= until

    arm = make_arm(name, problem, seed)
    simulate(problem, arm, workers=WORKERS, max_trials=n_trials, enough=enough)
    arm.close()
    return shares


def trials_to(share: float, shares: Sequence[float]) -> int | None:
    """The first trial after which the share is reached."""
    return next((n for n, reached in enumerate(shares, 1) if reached >= share), None)


def lines(name: str, races: list[Race], script: Seconds, project: Seconds) -> list[str]:
    """What the races on a table came to."""
    n_random = races[0].n_random
    reached = [one.n_ours for one in races if one.n_ours is not None]
    head = f"{name}: random search, {n_random:g} trials: {median(o.share for o in races):.3f} of"
    head += f" the true front's volume (median of {len(races)} seeds)"
    if 2 * len(reached) <= len(races):
        return [head, f"  {OURS}: reached in {len(reached)} of {len(races)}: no median"]
    n_ours = median(float("inf") if one.n_ours is None else one.n_ours for one in races)
    slow, fast = script.of(n_random), project.of(n_ours)
    return [
        head,
        f"  {OURS}: as good after {n_ours:g} trials ({min(reached)} to {max(reached)}; reached in"
        f" {len(reached)} of {len(races)})",
        f"  script {slow:.0f} s, this project {fast:.0f} s: {slow / fast:.1f} times as fast"
        f" (fewer trials {n_random / n_ours:.1f}, shorter trials"
        f" {script.trial / project.trial:.1f}; projected)",
    ]


def main() -> None:
    """Prints both tables' lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=60, help="of random search")
    parser.add_argument("--seeds", type=int, default=10)
    for name, usual in (("script", SCRIPT), ("project", PROJECT)):
        parser.add_argument(
            f"--{name}",
            type=float,
            nargs=3,
            metavar=("START", "TRIAL", "END"),
            default=(usual.start, usual.trial, usual.end),
            help="wall seconds, as benchmarks.makespan prints them",
        )
    given = parser.parse_args()
    script, project = Seconds(*given.script), Seconds(*given.project)
    for name in table.NAMES:
        problem = table.load(name, None)
        races = [race(problem, seed, given.trials) for seed in range(given.seeds)]
        print(*lines(name, races, script, project), sep="\n", flush=True)


if __name__ == "__main__":
    main()

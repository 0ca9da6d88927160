"""What a sweep would lose if its trials were measured at fewer thresholds.

    python -m benchmarks.fewer_thresholds [--draws N]

Every trial would be measured at the lowest threshold of the table and at the search's own. Once all
have ended, the trials with one of these points on the front of them would be measured at the rest.
Draws are sweeps of 12 trainings of a table. No training is run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from benchmarks.search import table
from deft_sweeps.front import non_dominated
from deft_sweeps.result import Point

TABLES = ("flan_t5_small_reviews", "minilm_sst2")
N_TRIALS = 12
MARGIN = 0.02
"""That the chosen point may score below the best plain PEFT at the lowest threshold."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A training of a table.

    Attributes:
        points: at every threshold, rising.
        plain: trained without the density loss.
    """

    points: tuple[Point, ...]
    plain: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """Of one sweep.

    Attributes:
        front: share of the front's points that would be missing.
        density: of the chosen point, over that of the choice among all points.
        passes: share of the measurements that would be made.
    """

    front: float
    density: float
    passes: float


def loss(trials: Sequence[Trial], objective_threshold: float) -> Loss:
    """What the sweep of these trials would lose. One of them is plain."""
    every = [(number, point) for number, trial in enumerate(trials) for point in trial.points]
    lowest = trials[0].points[0].threshold
    first = [one for one in every if one[1].threshold in (lowest, objective_threshold)]
    candidates = {number for number, _ in front(first)}
    measured = [one for one in every if one in first or one[0] in candidates]
    whole, fewer = front(every), front(measured)
    baseline = max(trial.points[0].score.value for trial in trials if trial.plain)
    return Loss(
        front=sum(one not in fewer for one in whole) / len(whole),
        density=chosen(measured, baseline - MARGIN) / chosen(every, baseline - MARGIN),
        passes=len(measured) / len(every),
    )


def front(points: Sequence[tuple[int, Point]]) -> list[tuple[int, Point]]:
    """Those that no other point dominates in score and activation density."""
    values = np.array([(p.score.value, p.density.overall) for _, p in points])
    on_front = non_dominated(values, ("maximize", "minimize"))
    return [point for point, is_on in zip(points, on_front, strict=True) if is_on]


def chosen(points: Sequence[tuple[int, Point]], least_score: float) -> float:
    """The lowest density of a point that scores enough."""
    return min(p.density.overall for _, p in points if p.score.value >= least_score)


def sweeps(problem: table.Table, n_draws: int) -> list[tuple[Trial, ...]]:
    """Trainings drawn at random, one of them plain at least."""
    trials = [
        Trial(row.rungs[-1][1], row.config.density.is_none) for row in problem.rows if row.seed == 0
    ]
    generator, drawn = np.random.default_rng(0), list[tuple[Trial, ...]]()
    while len(drawn) < n_draws:
        picked = generator.choice(len(trials), N_TRIALS, replace=False)
        some = tuple(trials[i] for i in picked)
        if any(trial.plain for trial in some):
            drawn.append(some)
    return drawn


def line(name: str, losses: Sequence[Loss]) -> str:
    """The means."""
    changed = mean(one.density > 1 for one in losses)
    return (
        f"{name}: {1 - mean(one.passes for one in losses):.0%} of the measurements saved,"
        f" {mean(one.front for one in losses):.0%} of the front missing; a denser choice in"
        f" {changed:.0%} of {len(losses)} sweeps, on average"
        f" {mean(one.density for one in losses):.2f} times as dense"
    )


def main() -> None:
    """Prints a line a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=300)
    given = parser.parse_args()
    if given.draws < 1:
        parser.error("--draws: at least 1")
    for name in TABLES:
        problem = table.load(name, None)
        threshold = problem.spec.evaluation.objective_threshold
        print(line(name, [loss(some, threshold) for some in sweeps(problem, given.draws)]))


if __name__ == "__main__":
    main()

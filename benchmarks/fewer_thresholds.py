"""What a sweep would lose if its trials were measured at fewer thresholds.

    python -m benchmarks.fewer_thresholds [--draws N]

Every trial is measured at the lowest threshold of the table and at `objective_threshold`. Once all
have ended, the trials with a point on the front of these measurements are measured at the rest too.
Each draw is a sweep of 12 trainings of a table. No training is run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from benchmarks.search import table
from deft_sweeps.front import non_dominated
from deft_sweeps.result import Point

N_TRIALS = 12
MARGIN = 0.02
"""How far the chosen point's score may lie below the best plain PEFT at the lowest threshold."""


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
class Reduction:
    """What fewer measurements do to one sweep.

    Attributes:
        missing_share: of the full front's points that are not on the reduced one, in [0, 1].
        density_ratio: density of the chosen point over that of the choice among all points, >= 1.
        measured_share: of the points, those that are measured, in (0, 1].
    """

    missing_share: float
    density_ratio: float
    measured_share: float


def reduction(trials: Sequence[Trial], objective_threshold: float) -> Reduction:
    """Compares the sweep of these trials with itself at fewer thresholds.

    Raises:
        ValueError: none of the trials is plain.
    """
    points = [(number, point) for number, trial in enumerate(trials) for point in trial.points]
    lowest = trials[0].points[0].threshold
    first_points = [
        (number, point)
        for number, point in points
        if point.threshold in (lowest, objective_threshold)
    ]
    candidates = {number for number, _ in front(first_points)}
    measured = [
        (number, point)
        for number, point in points
        if number in candidates or point.threshold in (lowest, objective_threshold)
    ]
    full_front, reduced_front = front(points), front(measured)
    least_score = max(trial.points[0].score.value for trial in trials if trial.plain) - MARGIN
    return Reduction(
        missing_share=sum(at not in reduced_front for at in full_front) / len(full_front),
        density_ratio=lowest_density(measured, least_score) / lowest_density(points, least_score),
        measured_share=len(measured) / len(points),
    )


def front(points: Sequence[tuple[int, Point]]) -> list[tuple[int, Point]]:
    """Those that no other point dominates in score and activation density."""
    values = np.array([(p.score.value, p.density.overall) for _, p in points])
    on_front = non_dominated(values, ("maximize", "minimize"))
    return [point for point, is_on in zip(points, on_front, strict=True) if is_on]


def lowest_density(points: Sequence[tuple[int, Point]], least_score: float) -> float:
    """Of the points that score at least `least_score`.

    Raises:
        ValueError: no point does.
    """
    return min(p.density.overall for _, p in points if p.score.value >= least_score)


def sweeps(problem: table.Table, n_draws: int) -> list[tuple[Trial, ...]]:
    """Draws sweeps of N_TRIALS different trainings, at least one of them plain."""
    trials = [
        Trial(row.rungs[-1][1], row.config.density.is_none) for row in problem.rows if row.seed == 0
    ]
    generator, draws = np.random.default_rng(0), list[tuple[Trial, ...]]()
    while len(draws) < n_draws:
        numbers = generator.choice(len(trials), N_TRIALS, replace=False)
        sweep = tuple(trials[number] for number in numbers)
        if any(trial.plain for trial in sweep):
            draws.append(sweep)
    return draws


def line(name: str, reductions: Sequence[Reduction]) -> str:
    """The means over the sweeps, as one line."""
    denser_share = mean(each.density_ratio > 1 for each in reductions)
    return (
        f"{name}: {1 - mean(each.measured_share for each in reductions):.0%} of the measurements"
        f" saved, {mean(each.missing_share for each in reductions):.0%} of the front missing; a"
        f" denser choice in {denser_share:.0%} of {len(reductions)} sweeps, on average"
        f" {mean(each.density_ratio for each in reductions):.2f} times as dense"
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
    for name in table.NAMES:
        problem = table.load(name, None)
        threshold = problem.spec.evaluation.objective_threshold
        print(line(name, [reduction(sweep, threshold) for sweep in sweeps(problem, given.draws)]))


if __name__ == "__main__":
    main()

"""Compares ways to rank trials at a rung by the hypervolume after equal training steps.

    python -m benchmarks.halving --seeds 20

Random trials run on four workers of a simulated clock, with the platform's own rule
(`stopping.halving.HalvingRule`). The hypervolume counts complete trials only, at every threshold.
`at random` stops as many trials as the rules do, without looking at them: the baseline.

There are three problems in closed form. On `steady`, trials that learn slowly end lower, so good
curves lead from the first rung to the last. On `crossing` they end higher. On `misleading` they end
higher and learn so slowly that all of them rank low at the first rung; no rule by rank can see
that.
"""

import argparse
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from deft_sweeps.config.axes import Training
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.front import hypervolume
from deft_sweeps.metrics import Direction
from deft_sweeps.result import DensityReading, Point, Rung, Score
from deft_sweeps.specification.search_settings import Halving, RankName
from deft_sweeps.stopping.halving import HalvingRule

OBJECTIVES = ("score", "activation_density")
DIRECTIONS: tuple[Direction, ...] = ("maximize", "minimize")
REFERENCE = (0.5, 1.0)
THRESHOLDS = (0.0, 0.01, 0.2, 0.5)
STEPS = 81
N_WORKERS = 4
Problem = Literal["steady", "crossing", "misleading"]
PROBLEMS: tuple[Problem, ...] = ("steady", "crossing", "misleading")
RANKS: tuple[RankName, ...] = ("spread", "crowding", "hypervolume", "dominated")

SLOWEST: dict[Problem, float] = {"steady": 0.6, "crossing": 0.25, "misleading": 0.6}
"""Largest time constant of a score's curve, in trainings; the smallest is 0.05."""
FOR_PATIENCE: dict[Problem, float] = {"steady": -0.03, "crossing": 0.03, "misleading": 0.03}
"""What the slowest trial's final score gains over the mean; the fastest loses as much."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A trial: the ends of its curves, and their time constants in units of its training."""

    number: int
    score: float
    density: float
    patience: float
    reach: float

    @property
    def config(self) -> TrialConfig:
        """Stands for the trial; only its id is used."""
        return TrialConfig(training=Training(steps=STEPS, learning_rate=1e-6 * (self.number + 1)))


def draw(problem: Problem, number: int, seed: int) -> Drawn:
    """Draws one trial.

    The weight of the density loss trades score for density, one learning rate is best, and the rest
    of the settings only make a trial worse.
    """
    rng = np.random.default_rng([seed, number])
    weight = 10 ** rng.uniform(-1.5, 0.7) * (rng.random() < 0.7)
    rate = rng.uniform(-2.0, 1.0)
    relu, slow = rng.random() < 0.5, rng.random()
    score = 0.87 - 0.05 * rate**2 - 0.04 * weight - 0.02 * relu - abs(rng.normal(0.0, 0.02))
    score += FOR_PATIENCE[problem] * (2 * slow - 1)
    patience = 0.05 + slow * (SLOWEST[problem] - 0.05)
    return Drawn(
        number,
        score,
        0.9 / (1.0 + 3.0 * weight) * (0.5 if relu else 1.0),
        patience,
        rng.uniform(0.05, 0.4),
    )


def measure(drawn: Drawn, step: int, seed: int) -> np.ndarray:
    """Score and density at every threshold after `step` steps, shape (thresholds, 2).

    Both approach their ends exponentially; the score has the noise of a seed.
    """
    trained, taus = step / STEPS, np.array(THRESHOLDS)
    noise = np.random.default_rng([seed, drawn.number, step]).normal(0.0, 0.005)
    score = (
        0.5
        + (drawn.score - 0.5)
        * (1 - np.exp(-trained / drawn.patience))
        / (1 - np.exp(-1 / drawn.patience))
        + noise
    )
    density = 1.0 + (drawn.density - 1.0) * (1 - np.exp(-trained / drawn.reach)) / (
        1 - np.exp(-1 / drawn.reach)
    )
    values: np.ndarray = np.stack(
        [score - 0.03 * taus - 0.08 * taus**2, density / (1.0 + 4.0 * taus)], axis=1
    )
    return values.clip(0.0, 1.0)


def as_rung(values: np.ndarray, step: int) -> Rung:
    """The measurement in the form that a sweep stores."""
    points = tuple(
        Point(
            threshold=threshold,
            score=Score(metric="accuracy", value=float(score), n_examples=1, standard_error=0.0),
            loss=0.0,
            density=DensityReading(encoder_blocks=(float(density),), decoder_blocks=()),
        )
        for threshold, (score, density) in zip(THRESHOLDS, values, strict=True)
    )
    return Rung(step=step, points=points)


Decide = Callable[[Drawn, Rung], bool]


def by_rule(how: RankName, eta: int, rungs: int) -> Decide:
    """Decides by the platform's rule."""
    rule = HalvingRule(Halving(eta=eta, rungs=rungs, rank=how), OBJECTIVES)
    return lambda drawn, rung: rule.may_continue(drawn.config, 0, rung)


def by_lot(eta: int, seed: int) -> Decide:
    """Lets one trial in `eta` continue, at random."""
    return lambda drawn, rung: bool(
        np.random.default_rng([seed, drawn.number, rung.step, 7]).random() < 1 / eta
    )


def play(
    problem: Problem, seed: int, rungs: tuple[int, ...], decide: Decide
) -> Iterator[tuple[int, np.ndarray | None]]:
    """Yields at each rung the steps spent so far, and the values if the trial is complete."""
    fresh = iter(range(10**9))
    queue = [(rungs[0], worker, 0, draw(problem, next(fresh), seed)) for worker in range(N_WORKERS)]
    heapq.heapify(queue)
    spent = 0
    while True:
        now, worker, place, drawn = heapq.heappop(queue)
        spent += rungs[place] - (rungs[place - 1] if place else 0)
        values = measure(drawn, rungs[place], seed)
        last = place == len(rungs) - 1
        yield spent, values if last else None
        if not last and decide(drawn, as_rung(values, rungs[place])):
            heapq.heappush(queue, (now + rungs[place + 1] - rungs[place], worker, place + 1, drawn))
        else:
            heapq.heappush(queue, (now + rungs[0], worker, 0, draw(problem, next(fresh), seed)))


def volumes(
    problem: Problem, seed: int, rungs: tuple[int, ...], decide: Decide, budgets: tuple[int, ...]
) -> tuple[list[float], int]:
    """Hypervolumes of the complete trials at each budget, and the number of complete trials.

    Budgets count whole trainings, rising; the number is the one at the last budget.
    """
    reached: list[float] = []
    ended: list[np.ndarray] = []
    for spent, values in play(problem, seed, rungs, decide):
        while len(reached) < len(budgets) and spent > budgets[len(reached)] * STEPS:
            reached.append(
                hypervolume(np.concatenate(ended), REFERENCE, DIRECTIONS) if ended else 0.0
            )
        if len(reached) == len(budgets):
            break
        ended += [] if values is None else [values]
    return reached, len(ended)


def ideal(problem: Problem) -> float:
    """Hypervolume of two thousand complete trials."""
    return hypervolume(
        np.concatenate([measure(draw(problem, n, 10**6), STEPS, 10**6) for n in range(2000)]),
        REFERENCE,
        DIRECTIONS,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--eta", type=int, default=3)
    parser.add_argument("--rungs", type=int, default=3)
    parser.add_argument(
        "--budgets", type=int, nargs="+", default=[10, 20, 40], help="in whole trainings"
    )
    parser.add_argument(
        "--ways", nargs="+", default=["at random", *RANKS], help="to compare with stopping none"
    )
    arguments = parser.parse_args()
    eta, rungs, budgets = arguments.eta, arguments.rungs, tuple(arguments.budgets)
    at = Halving(eta=eta, rungs=rungs).at(STEPS)

    def ranked(how: RankName, _: int) -> tuple[tuple[int, ...], Decide]:
        return at, by_rule(how, eta, rungs)

    ways: dict[str, Callable[[int], tuple[tuple[int, ...], Decide]]] = {
        "none": lambda _: ((STEPS,), lambda *_: True)
    }
    ways["at random"] = lambda seed: (at, by_lot(eta, seed))
    ways |= {how: partial(ranked, how) for how in RANKS}
    for problem in PROBLEMS:
        best = ideal(problem)
        print(
            f"{problem}: share of the ideal hypervolume after {', '.join(map(str, budgets))} "
            "whole trainings' steps,"
        )
        print(
            f"mean and 95 % interval of the paired gain over `none`, {arguments.seeds} seeds, eta "
            f"{eta}, rungs at {at} of {STEPS}"
        )
        plain: np.ndarray | None = None
        for name, make in ways.items():
            if name not in ("none", *arguments.ways):
                continue
            runs = [volumes(problem, seed, *make(seed), budgets) for seed in range(arguments.seeds)]
            shares = np.array([reached for reached, _ in runs]) / best
            plain = shares if plain is None else plain
            gain = shares - plain
            error = 1.96 * gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
            cells = [
                f"{s:.3f} ({g:+.3f} ± {e:.3f})"
                for s, g, e in zip(shares.mean(axis=0), gain.mean(axis=0), error, strict=True)
            ]
            print(
                f"  {name:<12} {'   '.join(cells)}   {np.mean([n for _, n in runs]):.0f} ended",
                flush=True,
            )


if __name__ == "__main__":
    main()

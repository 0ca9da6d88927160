"""Checks the projections about further budget on random searches whose truth is known.

    python -m benchmarks.stopping [--searches 200]

The problems are three closed forms with two objectives. The first table is about the projected
80 % interval of the gain of half as many trials again: how often it held the true gain, how often
the truth lay above it, and the mean projected and true gain. The second is about `until_flat`: the
number of trials after which it stops, and how often it stops too early. It is too early if one
further trial is still expected to gain more than the required share, over 400 fresh trials.
"""

import argparse

import numpy as np

from deft_sweeps.front import Floats, hypervolume, losses, non_dominated
from deft_sweeps.metrics import Direction
from deft_sweeps.statistics.plateau import FrontHistory, gain_bound, hypervolumes, project

DIRECTIONS: tuple[Direction, ...] = ("maximize", "minimize")
REFERENCE = np.array([0.0, 1.0])
SIZES = (12, 30, 100)
SHARES = (0.005, 0.002)
MOST = 400


def draw(problem: str, rng: np.random.Generator, n: int) -> Floats:
    """Score and density of n random configurations, shape (n, 2)."""
    if problem == "smooth":
        x = rng.uniform(size=(n, 2))
        return np.column_stack(
            [0.85 - 0.3 * (x[:, 0] - 0.5) ** 2 - 0.1 * x[:, 1], 0.9 / (1 + 9 * x[:, 1])]
        )
    if problem == "steep":
        x = rng.uniform(size=(n, 6))
        lost = 0.3 * ((x[:, 1:] - 0.4) ** 2).sum(axis=1)
        steep: Floats = np.clip(
            np.column_stack([0.9 - 0.25 * x[:, 0] ** 2 - lost, 0.95 - 0.9 * x[:, 0] + lost]), 0, 1
        )
        return steep
    x = rng.uniform(size=(n, 3))
    noise = rng.normal(0.0, 0.01, n)
    return np.column_stack(
        [0.8 - 0.1 * x[:, 0] - 0.2 * x[:, 1] ** 2 + noise, 0.9 * (1 - x[:, 0]) ** 2 + 0.05]
    )


def grown(values: Floats) -> FrontHistory:
    turned = losses(values, DIRECTIONS)
    corner = losses([REFERENCE], DIRECTIONS)[0]
    return FrontHistory(tuple(turned[i : i + 1] for i in range(len(turned))), corner)


def true_gain(values: Floats, fresh: Floats) -> float:
    """Expected gain of one further trial, as a share of the hypervolume."""
    front = values[non_dominated(values, DIRECTIONS)]
    volume = hypervolume(front, REFERENCE, DIRECTIONS)
    gains = [
        hypervolume(np.vstack([front, point]), REFERENCE, DIRECTIONS) - volume for point in fresh
    ]
    return float(np.mean(gains)) / volume


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--searches", type=int, default=200)
    n_searches = parser.parse_args().searches
    print(f"{n_searches} random searches each")
    print(
        f"{'problem':8} {'trials':>6} {'held':>6} {'above':>6} {'projected':>10} {'true':>8}   "
        "gain of 50 % more trials"
    )
    for problem in ("smooth", "steep", "noisy"):
        for n in SIZES:
            rows = []
            for search in range(n_searches):
                values = draw(problem, np.random.default_rng([search, n]), n + n // 2)
                projection = project(grown(values[:n]))
                if projection is None:
                    continue
                before = hypervolume(values[:n], REFERENCE, DIRECTIONS)
                true = (hypervolume(values, REFERENCE, DIRECTIONS) - before) / before
                rows.append(
                    (
                        projection.low <= true <= projection.high,
                        true > projection.high,
                        projection.gain,
                        true,
                    )
                )
            held, above, projected, true = np.mean(rows, axis=0)
            print(f"{problem:8} {n:6} {held:6.2f} {above:6.2f} {projected:10.4f} {true:8.4f}")
    print(
        f"{'problem':8} {'share':>6} {'stops at':>9} {'too early':>9}   until_flat, of {MOST} "
        "trials at most"
    )
    for problem in ("smooth", "steep", "noisy"):
        for share in SHARES:
            stops, early = [], []
            for search in range(n_searches):
                rng = np.random.default_rng([search, 7])
                values = draw(problem, rng, MOST)
                volumes = hypervolumes(grown(values))
                at = next(
                    (
                        n
                        for n in range(1, MOST)
                        if (b := gain_bound(volumes[:n], 10)) is not None and b < share
                    ),
                    MOST,
                )
                stops.append(at)
                early.append(at < MOST and true_gain(values[:at], draw(problem, rng, 400)) > share)
            print(f"{problem:8} {share:6} {np.median(stops):9.0f} {np.mean(early):9.2f}")


if __name__ == "__main__":
    main()

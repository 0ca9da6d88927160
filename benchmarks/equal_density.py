"""Gain of the density loss at equal density, from the tables of real trainings.

    python -m benchmarks.equal_density

The gain is the score of a training with the density loss minus the score of its twin at the same
density. The twin is plain PEFT with the same other settings; its score is interpolated linearly
between two measured thresholds. A point outside the densities of its twin has no gain.

Gains are averaged over the seeds of a configuration, then over the configurations that share a
twin, since they share its luck. The 95 % interval is Student's t over the twins. The last lines
give the difference between two trainings that differ in their seed alone: 1.96 standard deviations,
pooled over repeated trainings.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance

import numpy as np

from benchmarks.search.table import TABLES, Row, read
from deft_sweeps.config.axes import Activation, DensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.equal_density import twin_config
from deft_sweeps.result import Point
from deft_sweeps.statistics.paired_difference import Z_95
from deft_sweeps.statistics.seed_mean import t_quantile

NAMES = {"flan_t5_small_reviews": "Flan-T5-small, reviews", "minilm_sst2": "MiniLM, SST-2"}

Trainings = dict[TrialConfig, dict[int, tuple[Point, ...]]]
"""For each configuration, the points at the end of training, by seed."""


@dataclass(frozen=True, slots=True)
class MeanGain:
    """The mean gain of one activation at one threshold.

    Attributes:
        value: mean over the twins, in units of the score; nan if no point can be compared.
        reach: half-width of its 95 % interval; nan with fewer than two twins.
        n_compared: points that have a gain.
        n_points: all points of trainings with the density loss.
        n_twins: plain configurations they are compared with.
    """

    activation: Activation
    threshold: float
    value: float
    reach: float
    n_compared: int
    n_points: int
    n_twins: int


def trainings(rows: Iterable[Row]) -> Trainings:
    """The final points of a table's trainings."""
    ends: Trainings = defaultdict(dict)
    for row in rows:
        ends[row.config][row.seed] = row.rungs[-1][1]
    return dict(ends)


def mean_gains(ends: Trainings) -> list[MeanGain]:
    """The mean gains, in the order of activation and threshold."""
    gains: dict[tuple[Activation, float], dict[TrialConfig, list[float]]] = {}
    counts: dict[tuple[Activation, float], list[bool]] = defaultdict(list)
    for config, seeds in ends.items():
        twin = twin_config(config)
        if not isinstance(config.density, DensityLoss) or twin not in ends:
            continue
        of_config: dict[float, list[float]] = defaultdict(list)
        for seed, points in seeds.items():
            plain = ends[twin].get(seed) or ends[twin][min(ends[twin])]
            for point in points:
                gain = _gain(point, plain)
                counts[config.activation, point.threshold].append(gain is not None)
                if gain is not None:
                    of_config[point.threshold].append(gain)
        for threshold, values in of_config.items():
            by_twin = gains.setdefault((config.activation, threshold), {})
            by_twin.setdefault(twin, []).append(fmean(values))
    return [_mean(*key, gains.get(key, {}), counts[key]) for key in sorted(counts)]


def _gain(point: Point, plain: Sequence[Point]) -> float | None:
    """The point's score minus that of the plain curve at its density; None outside the curve."""
    curve = sorted((other.density.overall, other.score.value) for other in plain)
    densities, scores = zip(*curve, strict=True)
    density = point.density.overall
    if not densities[0] <= density <= densities[-1]:
        return None
    return point.score.value - float(np.interp(density, densities, scores))


def _mean(
    activation: Activation,
    threshold: float,
    by_twin: dict[TrialConfig, list[float]],
    compared: Sequence[bool],
) -> MeanGain:
    means = [fmean(values) for values in by_twin.values()]
    value, reach = float("nan"), float("nan")
    if means:
        value = fmean(means)
    if len(means) > 1:
        reach = t_quantile(0.95, len(means) - 1) * stdev(means) / len(means) ** 0.5
    return MeanGain(activation, threshold, value, reach, sum(compared), len(compared), len(means))


def seed_reach(ends: Trainings) -> dict[float, float]:
    """By threshold, the largest difference that the seed alone makes to a score (95 %).

    It is 1.96 standard deviations of the difference of two trainings. Empty if no configuration was
    trained twice.
    """
    variances: dict[float, list[float]] = defaultdict(list)
    for seeds in ends.values():
        if len(seeds) > 1:
            for points in zip(*seeds.values(), strict=True):
                scores = [point.score.value for point in points]
                variances[points[0].threshold].append(variance(scores))
    return {threshold: Z_95 * (2 * fmean(of)) ** 0.5 for threshold, of in variances.items()}


def lines(name: str, gains: Iterable[MeanGain]) -> list[str]:
    """Rows of a Markdown table: data, activation, threshold, gain, points compared, twins."""
    rows = []
    for gain in gains:
        activation = "ReLU" if gain.activation == "relu" else "GELU"
        gain_text = "-" if gain.n_twins == 0 else f"{gain.value:+.3f} ± {gain.reach:.3f}"
        compared = f"{gain.n_compared} of {gain.n_points}"
        rows.append(
            f"| {name} | {activation} | {gain.threshold:g} | {gain_text} | {compared} | "
            f"{gain.n_twins} |"
        )
    return rows


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print("| data | activation | threshold | gain | points compared | twins |")
    print("| --- | --- | --- | --- | --- | --- |")
    tables = {name: trainings(read(TABLES / f"{file}.jsonl.gz")) for file, name in NAMES.items()}
    for name, ends in tables.items():
        print("\n".join(lines(name, mean_gains(ends))))
    for name, ends in tables.items():
        reaches = ", ".join(
            f"{r:.3f} at threshold {t:g}" for t, r in sorted(seed_reach(ends).items())
        )
        print(f"\n{name}: two single trainings differ by seed alone by up to {reaches} (95 %)")


if __name__ == "__main__":
    main()

"""What the density loss buys: DEFT's score beside plain PEFT merely thresholded to the same density."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from deft_sweeps.config.axes import DensityLoss, NoDensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.front.resampled import N_RESAMPLES, resampled_differences
from deft_sweeps.result import Point, TrialResult

Z_95 = 1.959963984540054
"""Half-width of a 95 % interval in standard errors, normal approximation."""


Method = Literal["mean", "bootstrap"]

METHODS: dict[Method, str] = {
    "mean": "mean of paired per-example differences, normal approximation",
    "bootstrap": f"{N_RESAMPLES:,} seeded bootstrap resamples of the examples, the same for both, from the 2.5th to the 97.5th percentile",
}
"""How an interval is taken: of a score that is a mean over examples, and of any other."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Difference of two scores over the same examples.

    Attributes:
        value: in units of the score.
        standard_error: of `value`: from the spread of the per-example differences, or over the resamples.
        low, high: 95 % interval, see METHODS. It speaks of the examples drawn, not of training again with another seed.
    """

    value: float
    standard_error: float
    low: float
    high: float
    n_examples: int
    method: Method = "mean"

    @property
    def how(self) -> str:
        """The method in a few words."""
        return "paired by example" + ("" if self.method == "mean" else f", {N_RESAMPLES:,} bootstrap resamples")


@dataclass(frozen=True, slots=True)
class Gain:
    """DEFT minus plain PEFT at one density.

    Attributes:
        point: of the DEFT trial.
        plain_thresholds: the two of the plain trial, as `Point.at` names them, that are mixed to reach the density; one where it was
            measured there.
        plain_score: expected score of the mix; None without a comparison.
        difference: paired by example, > 0 where DEFT is better; None without a comparison.
        note: why there is no comparison; empty where there is one.
    """

    deft: TrialResult
    plain: TrialResult
    point: Point
    plain_thresholds: tuple[str, ...] = ()
    plain_score: float | None = None
    difference: PairedDifference | None = None
    note: str = ""


def paired_difference(first: Sequence[float], second: Sequence[float]) -> PairedDifference | None:
    """Mean of first - second over the same examples; None where they cannot be paired (fewer than two, or not equally many)."""
    if len(first) != len(second) or len(first) < 2:
        return None
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    value = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return PairedDifference(value, error, value - Z_95 * error, value + Z_95 * error, len(differences))


def score_difference(first: Point, *others: tuple[float, Point]) -> PairedDifference | None:
    """Score of `first` minus the sum of the others' scores, each times its share, over the same examples.

    A mean of per-example scores is paired by example; F1 and the correlations are resampled.

    Args:
        first: one point.
        others: share and point; shares add up to 1.

    Returns:
        None where the examples cannot be paired: they are not the same ones as far as can be told, or nothing is kept of each.
    """
    return _summed([(1.0, first), *((-share, point) for share, point in others)])


def mean_difference(first: Sequence[Point], second: Sequence[Point]) -> PairedDifference | None:
    """Mean score of a configuration's seeds minus that of another's, over the same examples; paired as `score_difference` is.

    Args:
        first: the one's points, one a seed, one at least.
        second: the other's, likewise.
    """
    return _summed([*((1 / len(first), point) for point in first), *((-1 / len(second), point) for point in second)])


def _summed(terms: Sequence[tuple[float, Point]]) -> PairedDifference | None:
    points = [point for _, point in terms]
    n, metric = len(points[0].example_scores), points[0].score.metric
    if n:
        if any(len(point.example_scores) != n for point in points):
            return None
        summed = sum((share * point.example_scores.array() for share, point in terms), np.zeros(n))
        return paired_difference(summed.tolist(), [0.0] * n)
    outcomes = [(share, point.outcomes) for share, point in terms if point.outcomes is not None]
    if len(outcomes) < len(terms) or any(point.score.metric != metric for point in points):
        return None
    found = resampled_differences(metric, outcomes)
    if found is None:
        return None
    value, drawn = found
    low, high = np.percentile(drawn, (2.5, 97.5))
    return PairedDifference(value, float(drawn.std()), float(low), float(high), points[0].score.n_examples, "bootstrap")


def density_change(peft: float, deft: float) -> float:
    """How much of plain PEFT's density the density loss took away: (peft - deft) / peft; below 0 where it added some.

    Args:
        peft: density of plain PEFT, > 0.
        deft: density with the density loss.
    """
    return (peft - deft) / peft


def twin_config(config: TrialConfig) -> TrialConfig:
    """Plain PEFT of the same other settings."""
    return replace(config, density=NoDensityLoss())


def at_equal_density(deft: TrialResult, plain: TrialResult) -> list[Gain]:
    """For each measured point of `deft`: its score minus that of `plain` thresholded to the same density.

    Between two measured thresholds the plain trial's scores are mixed linearly in density. Running either threshold with that
    probability has exactly this density and score in expectation (example by example, or all examples at one of the two, of a score that
    is no mean over examples), so the mix is an operating point that can be had, not a guess of a curve. Of a density outside the plain
    trial's measured ones nothing is said.
    """
    if deft.provenance and plain.provenance and deft.provenance.dataset_fingerprint != plain.provenance.dataset_fingerprint:
        return [Gain(deft, plain, point, note="the two trials were measured on different data") for point in deft.points]
    return [_gain(deft, plain, point) for point in deft.points]


def all_gains(results: Iterable[TrialResult]) -> list[Gain]:
    """`at_equal_density` of every DEFT trial that has a plain twin: the one of its own seed, else the one of the lowest seed."""
    complete = [result for result in results if result.status == "complete"]
    plain: dict[str, list[TrialResult]] = {}
    for result in complete:
        if isinstance(result.config.density, NoDensityLoss):
            plain.setdefault(result.config.config_id, []).append(result)
    gains = []
    for deft in complete:
        twins = plain.get(twin_config(deft.config).config_id, []) if isinstance(deft.config.density, DensityLoss) else []
        if twins:
            seed = deft.seed
            gains += at_equal_density(deft, min(twins, key=lambda twin: (twin.seed != seed, twin.seed)))
    return gains


def _gain(deft: TrialResult, plain: TrialResult, point: Point) -> Gain:
    density = point.density.overall
    ladder = sorted(plain.points, key=lambda p: p.density.overall)
    below = [p for p in ladder if p.density.overall <= density]
    above = [p for p in ladder if p.density.overall >= density]
    if not below or not above:
        reach = f"{ladder[0].density.overall:.3g} to {ladder[-1].density.overall:.3g}" if ladder else "nothing"
        return Gain(deft, plain, point, note=f"outside the plain trial's densities, {reach}")
    low, high = below[-1], above[0]
    span = high.density.overall - low.density.overall
    share = (density - low.density.overall) / span if span > 0 else 1.0
    mix = [(part, of) for part, of in ((share, high), (1 - share, low)) if part]
    difference = score_difference(point, *mix)
    if difference is None:
        return Gain(deft, plain, point, note="per-example scores are not there to pair")
    return Gain(deft, plain, point, tuple(of.at for _, of in mix), sum(part * of.score.value for part, of in mix), difference)

"""What the density loss buys: DEFT's score beside plain PEFT merely thresholded to the same density."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deft_sweeps.config.axes import DensityLoss, NoDensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import Point, TrialResult

Z_95 = 1.959963984540054
"""Half-width of a 95 % interval in standard errors, normal approximation."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of per-example differences.

    Attributes:
        value: in units of the score.
        standard_error: of `value`, from the spread of the differences.
        low, high: 95 % interval, normal approximation. It speaks of the examples drawn, not of training again with another seed.
    """

    value: float
    standard_error: float
    low: float
    high: float
    n_examples: int


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

    Between two measured thresholds the plain trial's per-example scores are mixed linearly in density. Running either threshold with
    that probability has exactly this density and score in expectation, so the mix is an operating point that can be had, not a guess
    of a curve. Of a density outside the plain trial's measured ones nothing is said.
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
    if len(low.example_scores) != len(high.example_scores):
        return Gain(deft, plain, point, note="per-example scores are not there to pair")
    mixed = tuple(share * h + (1 - share) * s for h, s in zip(high.example_scores, low.example_scores, strict=True))
    difference = paired_difference(point.example_scores, mixed)
    if difference is None:
        return Gain(deft, plain, point, note="per-example scores are not there to pair")
    thresholds = (high.at, low.at) if 0 < share < 1 else ((high if share == 1 else low).at,)
    return Gain(deft, plain, point, thresholds, sum(mixed) / len(mixed), difference)

"""What the density loss buys: DEFT's score beside that of plain PEFT thresholded to the same
density.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from deft_sweeps.config.axes import NoDensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.result import CompleteTrial, Point, TrialResult, complete_trials
from deft_sweeps.statistics.paired_difference import (
    PairedDifference,
    score_difference,
    simultaneous,
)


@dataclass(frozen=True, slots=True)
class EqualDensityGain:
    """DEFT minus plain PEFT at one density.

    Attributes:
        point: of the DEFT trial.
        plain_thresholds: the two of the plain trial, as `Point.at` names them, that are mixed to
            reach the density; one if it was measured there.
        plain_score: expected score of the mix; None without a comparison.
        difference: paired by example, > 0 if DEFT is better; None without a comparison. Among the
            gains of a sweep, the intervals are simultaneous.
        note: why there is no comparison; otherwise empty.
    """

    deft: CompleteTrial
    plain: CompleteTrial
    point: Point
    plain_thresholds: tuple[str, ...] = ()
    plain_score: float | None = None
    difference: PairedDifference | None = None
    note: str = ""


def density_change(peft: float, deft: float) -> float:
    """How much of plain PEFT's density the density loss took away: (peft - deft) / peft.

    Args:
        peft: density of plain PEFT, > 0.
        deft: density with the density loss.

    Returns:
        At most 1; below 0 if the loss added density.
    """
    return (peft - deft) / peft


def twin_config(config: TrialConfig) -> TrialConfig:
    """Plain PEFT of the same other settings."""
    return replace(config, density=NoDensityLoss())


def at_equal_density(deft: CompleteTrial, plain: CompleteTrial) -> list[EqualDensityGain]:
    """For each measured point of `deft`, its score minus that of `plain` at the same density.

    Between two measured thresholds the plain trial's scores are mixed linearly in density. Running
    either threshold with that probability has exactly this density and score in expectation
    (example by example, or all examples at one of the two if the score is no mean over examples).
    So the mix is an operating point that can be had, not a guess of a curve. Nothing is said of
    densities outside the plain trial's measured ones, nor of points whose zeros are float
    saturation.
    """
    data = [r.provenance.dataset_fingerprint for r in (deft, plain) if r.provenance]
    if len(set(data)) > 1:
        note = "the two trials were measured on different data"
        return [EqualDensityGain(deft, plain, point, note=note) for point in deft.points]
    measured = (p for p in plain.points if not p.float_saturation)
    ladder = sorted(((p.density.overall, p) for p in measured), key=lambda step: step[0])
    return [_gain(deft, plain, point, ladder) for point in deft.points]


def twin_pairs(results: Iterable[TrialResult]) -> Iterator[tuple[CompleteTrial, CompleteTrial]]:
    """Each complete DEFT trial with its plain twin: that of its own seed, else of the lowest
    seed.
    """
    complete = complete_trials(results)
    plain: dict[str, list[CompleteTrial]] = {}
    for result in complete:
        if not result.config.has_density_loss:
            plain.setdefault(result.config_id, []).append(result)
    for deft in complete:
        if deft.config.has_density_loss:
            twins = plain.get(twin_config(deft.config).config_id, [])
            ranked = sorted((twin.seed != deft.seed, twin.seed) for twin in twins)
            if ranked:
                yield deft, next(twin for twin in twins if twin.seed == ranked[0][1])


def equal_density_gains(results: Iterable[TrialResult]) -> list[EqualDensityGain]:
    """`at_equal_density` of every DEFT trial that has a plain twin.

    Their intervals hold for all compared rows at once.
    """
    gains = [gain for pair in twin_pairs(results) for gain in at_equal_density(*pair)]
    corrected = iter(simultaneous([gain.difference for gain in gains if gain.difference]))
    return [
        replace(gain, difference=next(corrected)) if gain.difference else gain for gain in gains
    ]


def n_better_and_worse(gains: Iterable[EqualDensityGain]) -> tuple[int, int]:
    """In how many rows the density loss is told to be better, and in how many worse."""
    outcomes = [gain.difference.outcome for gain in gains if gain.difference]
    return outcomes.count(1), outcomes.count(-1)


def _gain(
    deft: CompleteTrial,
    plain: CompleteTrial,
    point: Point,
    ladder: Sequence[tuple[float, Point]],
) -> EqualDensityGain:
    """`at_equal_density` of one point; `ladder` has the plain trial's points, rising in their
    density.
    """
    if point.float_saturation:
        note = "no threshold: its zeros are float saturation"
        return EqualDensityGain(deft, plain, point, note=note)
    density = point.density.overall
    below = [step for step in ladder if step[0] <= density]
    above = [step for step in ladder if step[0] >= density]
    if not below or not above:
        ends = (ladder[0], ladder[-1]) if ladder else ()
        measured = " to ".join(f"{end:.3g}" for end, _ in ends) or "nothing"
        note = f"outside the plain trial's densities, {measured}"
        return EqualDensityGain(deft, plain, point, note=note)
    (start, low), (end, high) = below[-1], above[0]
    span = end - start
    share = (density - start) / span if span > 0 else 1.0
    mix = [(weight, p) for weight, p in ((share, high), (1 - share, low)) if weight]
    difference = score_difference(point, *mix)
    if difference is None:
        return EqualDensityGain(deft, plain, point, note="no scores of single examples to pair")
    expected = sum(weight * p.score.value for weight, p in mix)
    return EqualDensityGain(deft, plain, point, tuple(p.at for _, p in mix), expected, difference)

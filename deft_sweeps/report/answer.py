"""The report's sentences: what was found, from figures."""

from collections.abc import Sequence

from deft_sweeps.config.label import label
from deft_sweeps.findings import Findings
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.equal_density import EqualDensityGain
from deft_sweeps.report import cells, choice_text
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.statistics.paired_difference import PairedDifference, score_difference
from deft_sweeps.statistics.plateau import GainProjection


def headline(findings: Findings) -> str:
    """What to ship, in a sentence; if the test split contradicts the choice, that it does."""
    choice, confirmation = findings.choice, findings.confirmation
    member = choice.member
    if member is None:
        return "Nothing to ship"
    named = f"{label(member.result.config)}, threshold {member.point.at}"
    if not confirmation.broken or confirmation.member is None:
        return f"Ship {named}"
    breaches = "; ".join(
        choice_text.test_breach(confirmation.member, limit, confirmation.baselines)
        for limit in confirmation.broken
    )
    return f"Not confirmed on test: {named}; {breaches}; {_baseline_on_test(findings)}"


def _baseline_on_test(findings: Findings) -> str:
    choice = findings.choice
    final = next((final for final in findings.finals if final.role == "baseline"), None)
    if choice.baseline is None or choice.member is None:
        return "no baseline was measured there"
    if final is not None:
        named = f"{label(choice.baseline.result.config)}, threshold {final.point.at}"
        return f"the baseline scores {final.point.score.value:.3f} there ({named})"
    if choice.baseline.name == choice.member.name:
        return "it is the baseline itself"
    return "no baseline was measured there"


def unjudged_on_test(findings: Findings) -> str:
    """Which limits could not be judged on the test split, a sentence; empty if all could."""
    unjudged = findings.confirmation.unjudged
    if not unjudged:
        return ""
    named = ", ".join(f"`{limit}`" for limit in unjudged)
    return (
        "Not judged on the test split, because the metric or the baseline was not measured there:"
        f" {named}."
    )


def verdict(finals: Sequence[FinalMeasurement]) -> str:
    """The test measurements in a sentence or two; empty where there are none."""
    by_role = {final.role: final for final in finals}
    if "chosen" not in by_role:
        return ""
    mine = by_role["chosen"].point
    told = (
        f"On {mine.score.n_examples} test examples it scores {mine.score.value:.3f} (95% interval"
        f" {cells.interval_text(mine.score)}) at activation density"
        f" {cells.density_text(mine.density)}."
    )
    names = {
        "baseline": "the best plain PEFT",
        "twin": "its plain twin thresholded to the same density",
    }
    for role, name in names.items():
        if role in by_role:
            other = by_role[role].point
            difference = score_difference(mine, (1.0, other))
            told += (
                f" Beside {name} ({other.score.value:.3f} at density {other.density.overall:.3f})"
                f" {_told_difference(difference)}."
            )
    return told


def tiles(choice: Choice, finals: Sequence[FinalMeasurement]) -> list[tuple[str, str, str]]:
    """Headline figures of the chosen one: name, figure, what stands beside it. From the test split
    once that was measured.
    """
    member = choice.member
    if member is None:
        return []
    by_role = {final.role: final for final in finals}
    mine = by_role["chosen"].point if "chosen" in by_role else member.point
    cost = by_role["chosen"].cost if "chosen" in by_role else member.result.cost
    other = by_role.get("baseline")
    base = (
        other.point
        if other
        else choice.baseline.point
        if choice.baseline and "chosen" not in by_role
        else None
    )
    base_cost = (
        other.cost if other else choice.baseline.result.cost if base and choice.baseline else None
    )
    split = "test" if "chosen" in by_role else "validation"
    found = [
        (
            f"{mine.score.metric}, {split}",
            f"{mine.score.value:.3f}",
            f"± {mine.score.standard_error:.3f}, n = {mine.score.n_examples}"
            + (f"; baseline {base.score.value:.3f}" if base else ""),
        ),
        (
            f"activation density, {split}",
            f"{mine.density.overall:.3f}",
            (
                f"encoder / decoder {mine.density.encoder:.3f} / {mine.density.decoder:.3f}"
                if mine.density.decoder_blocks
                else "encoder only: the model has no decoder"
            )
            + (f"; baseline {base.density.overall:.3f}" if base else ""),
        ),
    ]
    if cost:
        beside = f"; baseline {cells.weights_text(base_cost)}" if base_cost else ""
        found.append(
            (
                "weights, measured",
                cells.weights_text(cost),
                f"{cost.trainable_parameters:,} trained parameters{beside}",
            )
        )
        beside = (
            f"baseline {base_cost.latency_sec * 1e3:.3g} ms {base_cost.label}" if base_cost else ""
        )
        found.append((f"latency, {cost.label}", f"{cost.latency_sec * 1e3:.3g} ms", beside))
    return found


def gains_told(gains: Sequence[EqualDensityGain]) -> str:
    """How the comparisons at equal density fall, in a sentence; it is told whichever way they
    fall.
    """
    compared = [gain.difference for gain in gains if gain.difference]
    if not gains:
        return (
            "No DEFT trial of this sweep has a plain twin of the same other settings, so nothing"
            " can be said at equal density."
        )
    if not compared:
        return (
            f"None of the {len(gains)} DEFT points lies within the densities that its plain twin"
            " was measured at."
        )
    above, below = sum(d.low > 0 for d in compared), sum(d.high < 0 for d in compared)
    return (
        f"{len(compared)} of {len(gains)} DEFT points can be compared with a plain twin at the same"
        f" density: DEFT is better in {above}, worse in {below}, and the 95% interval holds zero in"
        f" {len(compared) - above - below}."
    )


def projection_told(told: GainProjection | None) -> str:
    """The projection in a sentence."""
    if told is None:
        return "Too few trials to project what more of them would bring."
    return (
        f"Projected: {told.n_more} more trials beside the {told.n_trials} would be expected to"
        f" raise the front's hypervolume by {100 * told.gain:.2g}% (80% interval"
        f" {100 * told.low:.2g}% to {100 * told.high:.2g}%), from the gains over random orders of"
        " the finished trials; a rough guide where the sampler learns."
    )


def _told_difference(difference: PairedDifference | None) -> str:
    if difference is None:
        return "it cannot be paired by example, so the difference has no interval"
    interval = f"95% interval {difference.low:+.3f} to {difference.high:+.3f}, {difference.how}"
    if difference.low <= 0 <= difference.high:
        return (
            f"the difference is {difference.value:+.3f} ({interval}), which these examples cannot"
            " tell from none"
        )
    return (
        f"it is {abs(difference.value):.3f} {'better' if difference.value > 0 else 'worse'}"
        f" ({interval})"
    )

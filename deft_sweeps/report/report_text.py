"""The report's sentences: what was found, from figures."""

from collections.abc import Sequence

from deft_sweeps.findings import Findings
from deft_sweeps.findings.equal_density import EqualDensityGain, n_better_and_worse
from deft_sweeps.metrics import Measurable, Metric, parts_of, shown
from deft_sweeps.report import table_cells
from deft_sweeps.report.table_cells import MeasuredRow
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.statistics.paired_difference import PairedDifference, score_difference
from deft_sweeps.statistics.plateau import GainProjection


def verdict(finals: Sequence[FinalMeasurement]) -> str:
    """The test measurements in a sentence or two; empty where there are none."""
    by_role = {final.role: final for final in finals}
    if "chosen" not in by_role:
        return ""
    mine = by_role["chosen"].point
    sentence = (
        f"On {mine.score.n_examples} test examples it scores {mine.score.value:.3f} (95% interval"
        f" {table_cells.interval_text(mine.score)}) at activation density"
        f" {table_cells.density_text(mine.density)}."
    )
    names = {
        "baseline": "the baseline",
        "twin": "its plain twin thresholded to the same density",
    }
    for role, name in names.items():
        if role in by_role:
            other = by_role[role].point
            difference = score_difference(mine, (1.0, other))
            sentence += (
                f" Beside {name} ({other.score.value:.3f} at density {other.density.overall:.3f})"
                f" {_told_difference(difference)}."
            )
    return sentence


def tiles(findings: Findings) -> list[tuple[str, str, str]]:
    """Headline values of the chosen one: name, value, what stands beside it. From the test split
    once that was measured.
    """
    choice = findings.choice
    if choice.member is None:
        return []
    by_role = {final.role: MeasuredRow.of(final.point, final.cost) for final in findings.finals}
    mine = by_role.get("chosen") or MeasuredRow.of_member(choice.member)
    base = by_role.get("baseline")
    if base is None and choice.baseline is not None and "chosen" not in by_role:
        base = MeasuredRow.of_member(choice.baseline)
    split = "test" if "chosen" in by_role else "validation"
    requested = {*findings.objectives, *(limit.metric for limit in choice.limits)}
    tiled = [m for m in shown(requested, on_card=True) if m.name in mine.values]
    return [_tile(metric, mine, base, split) for metric in tiled]


def _tile(
    metric: Metric, mine: MeasuredRow, base: MeasuredRow | None, split: str
) -> tuple[str, str, str]:
    point, title = mine.point, metric.title
    notes = []
    if point is not None and metric.axis_title is not None:
        title = metric.axis_title(point)
    if point is not None and metric.standard_error is not None:
        error = metric.text(metric.standard_error(point))
        notes.append(f"± {error}, n = {point.score.n_examples}")
    notes += _part_notes(metric, mine)
    if base is not None and metric.name in base.values:
        label = metric.label(base.cost)
        notes.append(
            f"baseline {metric.text(base.values[metric.name])}{f' {label}' if label else ''}"
        )
    label = metric.label(mine.cost) or (split if metric.of_point else "measured")
    return f"{title}, {label}", metric.text(mine.values[metric.name]), "; ".join(notes)


def _part_notes(metric: Metric, row: MeasuredRow) -> list[str]:
    """The parts of a metric, or why it has but one."""
    parts = parts_of(metric.name)
    if all(part.name in row.values for part in parts):
        return [f"{part.title} {part.text(row.values[part.name])}" for part in parts]
    nothing = Measurable(stacks=(), writes=False)
    return [part.why_unmeasured(nothing) for part in parts if part.name not in row.values]


def equal_density_told(gains: Sequence[EqualDensityGain]) -> str:
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
    better, worse = n_better_and_worse(gains)
    corrected = (
        f" Corrected for {len(compared)} comparisons (Holm): without any true difference, about"
        " 5% of such sweeps at most would show one."
        if len(compared) > 1
        else ""
    )
    return (
        f"{len(compared)} of {len(gains)} DEFT points can be compared with a plain twin at the same"
        f" density: DEFT is better in {better}, worse in {worse}, and in"
        f" {len(compared) - better - worse} these examples cannot tell.{corrected}"
    )


def projection_told(projection: GainProjection | None) -> str:
    """The projection in a sentence."""
    if projection is None:
        return "Too few trials to project what more of them would bring."
    return (
        f"Projected: {projection.n_more} more trials beside the {projection.n_trials} would be"
        f" expected to raise the front's hypervolume by {100 * projection.gain:.2g}% (80% interval"
        f" {100 * projection.low:.2g}% to {100 * projection.high:.2g}%), from the gains over"
        " random orders of the finished trials; a rough guide where the sampler learns."
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

"""Values as the cells of a table, each with what it is: measured, projected, or a proxy."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deft_sweeps.findings.equal_density import density_change
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.metrics import (
    ACTIVATION_DENSITY,
    SCORE,
    Metric,
    measured,
    parts_of,
    score_range,
    shown,
)
from deft_sweeps.report.seed_text import seeds_told
from deft_sweeps.result import Cost, DensityReading, Point, Score, SkippedBlocks
from deft_sweeps.statistics.paired_difference import METHODS, PERCENTILES, Z_95, PairedDifference
from deft_sweeps.statistics.seed_mean import SeedMean
from deft_sweeps.statistics.seed_spread import SeedSpread
from deft_sweeps.units import share

DENSITY_NOTE = (
    f"{ACTIVATION_DENSITY.title} = {ACTIVATION_DENSITY.meaning}; in brackets encoder / decoder"
)
SCORE_NOTE = "score ± one standard error"
SEEDS_NOTE = (
    "of several seeds the means stand there, the score's with its 95% interval over training seeds "
    "(t distribution, same examples); the trial named is the one nearest them"
)
MISSING = "–"


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """What a row of a table shows the metrics of; a trial that failed has nothing measured.

    Attributes:
        values: of the metrics by name; of several seeds the means.
        member: of the front, if the row is of one.
    """

    values: dict[str, float]
    point: Point | None = None
    cost: Cost | None = None
    member: FrontMember | None = None

    @staticmethod
    def of(point: Point | None, cost: Cost | None) -> "MeasuredRow":
        """A single measurement."""
        return MeasuredRow({} if point is None else measured(point, cost), point, cost)

    @staticmethod
    def of_member(member: FrontMember) -> "MeasuredRow":
        """A member of a front, of several seeds with their means."""
        return MeasuredRow(member.values, member.point, member.result.cost, member)

    def over_seeds(self, name: str) -> SeedMean | None:
        """Mean and interval of a metric over several seeds; None with one."""
        return None if self.member is None else self.member.over_seeds(name)


def metric_text(metric: Metric, row: MeasuredRow) -> str:
    """The value of a metric, with its error or interval, its parts in brackets, and its remark."""
    if metric.name not in row.values or row.point is None:
        return MISSING
    text = metric.text(row.values[metric.name])
    mean = row.over_seeds(metric.name)
    if metric.standard_error is not None:
        error = f"± {metric.text(metric.standard_error(row.point))}"
        text += (
            f" {error}" if mean is None else f" [{metric.text(mean.low)}, {metric.text(mean.high)}]"
        )
    parts = [
        (part, row.values[part.name]) for part in parts_of(metric.name) if part.name in row.values
    ]
    if len(parts) > 1:
        text += f" ({' / '.join(part.text(value) for part, value in parts)})"
    remark = metric.remark(row.point) if mean is None else ""
    return f"{text}; {remark}" if remark else text


Cells = tuple[str, ...]


def metric_cells(
    rows: Sequence[MeasuredRow], requested: Iterable[str] = ()
) -> tuple[Cells, list[Cells]]:
    """Heads and cells of the metrics' columns.

    A label that all rows share, such as `proxy`, stands in the head instead of in every cell. A
    metric that not every model has is left out if no row has it and nothing asks for it.

    Args:
        rows: of the table.
        requested: names of the objectives and of limits' metrics, which are always shown.
    """
    names = set(requested)
    metrics = [m for m in shown(names) if m.name in names or _has_column(m, rows)]
    columns = [_column(metric, rows) for metric in metrics]
    heads = tuple(head for head, _ in columns)
    return heads, [tuple(cells[i] for _, cells in columns) for i in range(len(rows))]


def card_rows(member: FrontMember) -> list[tuple[str, str]]:
    """Name and value of each metric of one measurement that a card of it has room for."""
    row = MeasuredRow.of(member.point, member.result.cost)
    metrics = [metric for metric in shown(on_card=True) if metric.name in row.values]
    labels = [[part for part in (m.title, m.label(row.cost)) if part] for m in metrics]
    texts = [metric_text(metric, row) for metric in metrics]
    return [(", ".join(label), text) for label, text in zip(labels, texts, strict=True)]


def _has_column(metric: Metric, rows: Sequence[MeasuredRow]) -> bool:
    return not metric.is_optional or any(metric.name in row.values for row in rows)


def _column(metric: Metric, rows: Sequence[MeasuredRow]) -> tuple[str, list[str]]:
    labels = [metric.label(row.cost) if metric.name in row.values else "" for row in rows]
    distinct = {label for label in labels if label}
    shared = distinct.pop() if len(distinct) == 1 else ""
    head = f">{metric.title}" + (f", {shared}" if shared else "")
    texts = [metric_text(metric, row) for row in rows]
    if shared:
        return head, texts
    return head, [" ".join(filter(None, pair)) for pair in zip(texts, labels, strict=True)]


def score_text(score: Score) -> str:
    """The score and one standard error."""
    return f"{SCORE.text(score.value)} ± {SCORE.text(score.standard_error)}"


def density_text(density: DensityReading) -> str:
    """Overall, then encoder / decoder where there are both, then over the kept blocks where some
    were removed.
    """
    both = density.decoder_blocks and density.encoder_blocks
    text = (
        f"{_share(density.overall)} ({_share(density.encoder)} / {_share(density.decoder)})"
        if both
        else _share(density.overall)
    )
    return f"{text}; kept blocks {_share(density.of_kept_blocks)}" if density.skipped else text


def skipped_text(skipped: SkippedBlocks) -> str:
    """Blocks by their number in their stack, from 1 as in the figure: `encoder 3; decoder 5, 6`."""
    stacks = (("encoder", skipped.encoder), ("decoder", skipped.decoder))
    return (
        "; ".join(
            f"{stack} {', '.join(str(index + 1) for index in blocks)}"
            for stack, blocks in stacks
            if blocks
        )
        or "none"
    )


def change_text(deft: DensityReading, plain: DensityReading) -> str:
    """(plain - DEFT) / plain, overall, then encoder / decoder where there are both."""
    pairs = (
        (plain.overall, deft.overall),
        (plain.encoder, deft.encoder),
        (plain.decoder, deft.decoder),
    )
    overall, *stacks = (
        MISSING if not before > 0 else f"{density_change(before, after):.3f}"
        for before, after in pairs
    )
    return (
        f"{overall} ({' / '.join(stacks)})"
        if plain.encoder_blocks and plain.decoder_blocks
        else overall
    )


def difference_text(difference: PairedDifference | None) -> str:
    """A difference and its 95 % interval."""
    if difference is None:
        return MISSING
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"


def methods_told(differences: Sequence[PairedDifference | None]) -> str:
    """How the differences of a table were taken."""
    taken = {d.method: d.n_rows for d in differences if d is not None} or {"mean": 1}
    return " or ".join(
        how + (PERCENTILES if method == "bootstrap" and taken[method] == 1 else "")
        for method, how in METHODS.items()
        if method in taken
    )


def interval_text(score: Score) -> str:
    """95% interval of a score, normal approximation, cut to the metric's range."""
    reach, (worst, best) = Z_95 * score.standard_error, score_range(score.metric)
    return f"{max(worst, score.value - reach):.3f} to {min(best, score.value + reach):.3f}"


def _share(value: float) -> str:
    return MISSING if math.isnan(value) else share(value)


def measured_on(scores: Iterable[Score]) -> str:
    """What the scores of a table were measured on, a clause; empty without any."""
    metrics = sorted({(score.metric, score.n_examples) for score in scores})
    if not metrics:
        return ""
    return (
        "; ".join(f"score = {metric} on {n} validation examples, measured" for metric, n in metrics)
        + f"; {SCORE_NOTE}; {DENSITY_NOTE}"
    )


def over_examples_note(spread: SeedSpread | None) -> str:
    """That intervals are over examples, and how far the seed alone moves a score, a sentence."""
    return f"Intervals are over examples, not over seeds: {seeds_told(spread)}"

"""The tables over all trials of a sweep. Every figure in them says what it is: measured, projected,
or a proxy taken beside other trials.
"""

from collections.abc import Sequence
from typing import TypeVar

from deft_sweeps.config.label import label
from deft_sweeps.findings.equal_density import EqualDensityGain
from deft_sweeps.report.point_element import point_id
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.report.saved_steps import saved_steps, stopped_text
from deft_sweeps.report.table_cells import (
    MeasuredRow,
    density_text,
    difference_text,
    measured_on,
    methods_told,
    metric_cells,
    over_examples_note,
    score_text,
)
from deft_sweeps.result import (
    CompleteTrial,
    FailedTrial,
    Point,
    StoppedTrial,
    TrialResult,
    complete_trials,
)
from deft_sweeps.statistics.paired_difference import PairedDifference
from deft_sweeps.statistics.seed_spread import SeedSpread
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.units import duration

T = TypeVar("T")

MOST_ROWS = 1000
"""Rows of a table on the page: a page of a sweep of thousands of trials has to open."""


def evenly_taken(items: Sequence[T], most: int | None) -> tuple[Sequence[T], str]:
    """At most so many of the items, evenly taken, and a note that says so; empty if all are.

    Args:
        items: what the rows of a table show.
        most: at least 2; None takes all.
    """
    n = len(items)
    if most is None or n <= most:
        return items, ""
    picked = sorted({round(i * (n - 1) / (most - 1)) for i in range(most)})
    note = f"{len(picked)} of {n} rows, evenly taken; every trial is in the sweep's results folder"
    return [items[i] for i in picked], note


def trials_table(
    results: Sequence[TrialResult], threshold: float, most: int | None = None
) -> ReportTable:
    """Every trial at one threshold, failed and stopped ones with their reason.

    Args:
        results: of any status.
        threshold: that the points are shown at.
        most: rows at most, evenly taken; the note says how many there are. None shows all.
    """
    taken, left_out = evenly_taken(results, most)
    points = [_point_at(result, threshold) for result in taken]
    costs = [result.cost if isinstance(result, CompleteTrial) else None for result in taken]
    heads, cells = metric_cells([MeasuredRow.of(*pair) for pair in zip(points, costs, strict=True)])
    rows = []
    for result, at, values in zip(taken, points, cells, strict=True):
        rows.append(
            Row(
                (
                    result.trial_id,
                    result.status,
                    label(result.config),
                    *values,
                    duration(result.finished_at - result.started_at),
                    _why_ended(result),
                ),
                "failed" if result.status == "failed" else "",
                point_id(result.trial_id, at.at) if at else "",
            )
        )
    note = measured_on(
        point.score for result in complete_trials(results) for point in result.points
    )
    columns = ("trial", "status", "configuration", *heads, ">time", "why it ended")
    title = f"All trials, at threshold {threshold:g}"
    return ReportTable(title, columns, tuple(rows), _joined(note, left_out))


def _point_at(result: TrialResult, threshold: float) -> Point | None:
    points = result.points if isinstance(result, CompleteTrial) else ()
    return next((point for point in points if point.at == f"{threshold:g}"), None)


def _why_ended(result: TrialResult) -> str:
    if isinstance(result, StoppedTrial) and result.rungs:
        return stopped_text(result)
    return without_secrets(result.error) if isinstance(result, FailedTrial) else ""


def equal_density_table(
    gains: Sequence[EqualDensityGain], spread: SeedSpread | None, most: int | None = None
) -> ReportTable:
    """DEFT minus plain PEFT at equal density.

    Args:
        gains: of a sweep, or some of them.
        spread: how far the seed alone moves a score; None if the sweep does not tell.
        most: as in `trials_table`.
    """
    taken, left_out = evenly_taken(gains, most)
    rows = tuple(
        Row(
            (
                label(gain.deft.config),
                gain.point.at,
                density_text(gain.point.density),
                score_text(gain.point.score),
                "–" if gain.plain_score is None else f"{gain.plain_score:.3f}",
                " and ".join(gain.plain_thresholds) or "–",
                difference_text(gain.difference),
                gain.note or _outcome_text(gain.difference),
            ),
            "",
            point_id(gain.deft.trial_id, gain.point.at),
        )
        for gain in taken
    )
    ns = sorted({gain.difference.n_examples for gain in gains if gain.difference})
    n_rows = max((gain.difference.n_rows for gain in gains if gain.difference), default=1)
    note = (
        f"gain [95% interval] = {methods_told([gain.difference for gain in gains])}"
        + (f", n = {' or '.join(map(str, ns))} validation examples" if ns else "")
        + "; plain PEFT is a twin of the same other settings, its two neighbouring thresholds mixed"
        f" to reach the density exactly. {_simultaneous_note(n_rows)}"
        f"{over_examples_note(spread)}"
    )
    columns = (
        "DEFT configuration",
        ">threshold",
        ">density",
        ">score",
        ">plain at this density",
        ">plain thresholds",
        ">gain",
        "remark",
    )
    title = "DEFT minus plain PEFT at equal density"
    return ReportTable(title, columns, rows, _joined(note, left_out))


def _outcome_text(difference: PairedDifference | None) -> str:
    outcome = difference.outcome if difference else 0
    return {1: "better", -1: "worse", 0: ""}[outcome]


def _simultaneous_note(n_rows: int) -> str:
    if n_rows < 2:
        return ""
    return (
        f"The intervals hold for all {n_rows} compared rows of the sweep at once (Bonferroni, from"
        " the standard error), and better or worse is told by Holm's test: without any true"
        " difference, about 5% of such tables at most show one. "
    )


def sparsity_table(results: Sequence[TrialResult], most: int | None = None) -> ReportTable:
    """Share of zeros in the layers of every pruned trial, by what the layers are called in their
    blocks; `most` as in `trials_table`.
    """
    rows = []
    for result in complete_trials(results):
        kinds: dict[str, list[float]] = {}
        for name, share in result.layer_sparsity.items():
            kinds.setdefault(name.rpartition(".")[2], []).append(share)
        for kind, shares in kinds.items():
            sentence = (
                f"{share:.3f}" for share in (sum(shares) / len(shares), min(shares), max(shares))
            )
            rows.append(
                Row((result.trial_id, label(result.config), kind, str(len(shares)), *sentence))
            )
    note = (
        "share of zeros among a layer's weights, measured; every layer is in the trial's result"
        " file"
    )
    columns = ("trial", "configuration", "layers", ">number", ">mean", ">least", ">most")
    taken, left_out = evenly_taken(rows, most)
    note = _joined(note if rows else "", left_out)
    return ReportTable("Weight sparsity by kind of layer", columns, tuple(taken), note)


def summary(results: Sequence[TrialResult]) -> str:
    """How many trials there are of each status, and measured points."""
    counts = {
        status: sum(result.status == status for result in results)
        for status in ("complete", "failed", "stopped")
    }
    counted = ", ".join(
        f"{n} {status}" for status, n in counts.items() if n or status == "complete"
    )
    n_points = sum(len(result.points) for result in complete_trials(results))
    saved = saved_steps(results)
    early = (
        f"; {saved.share:.2f} of the training steps saved by early stopping, measured"
        if saved.n_stopped
        else ""
    )
    return f"{len(results)} trials ({counted}), {n_points} measured points{early}"


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))

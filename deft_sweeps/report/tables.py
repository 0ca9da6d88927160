"""The tables of a sweep. Every figure in them says what it is: measured, projected, or a proxy
taken beside other trials.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from deft_sweeps.config.label import label
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.equal_density import EqualDensityGain
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.membership import Membership
from deft_sweeps.findings.pareto_front import ParetoFront, trade_offs
from deft_sweeps.metrics import METRICS
from deft_sweeps.report import choice_text
from deft_sweeps.report.report_table import Mark, ReportTable, Row
from deft_sweeps.report.saved_steps import saved_steps, stopped_text
from deft_sweeps.report.seed_text import seeds_told
from deft_sweeps.report.table_cells import (
    DENSITY_NOTE,
    SCORE_NOTE,
    SEEDS_NOTE,
    MeasuredRow,
    density_text,
    difference_text,
    interval_text,
    methods_told,
    metric_cells,
    score_text,
)
from deft_sweeps.result import (
    CompleteTrial,
    FailedTrial,
    FinalMeasurement,
    Point,
    Score,
    StoppedTrial,
    TrialResult,
    complete_trials,
)
from deft_sweeps.statistics.paired_difference import PairedDifference, score_difference
from deft_sweeps.statistics.seed_spread import SeedSpread
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.units import duration

T = TypeVar("T")


def point_id(trial_id: str, at: str) -> str:
    """Name of a point's element in the scatter; `at` is `Point.at`."""
    return f"point-{trial_id}-{at}"


def ref_of(member: FrontMember) -> str:
    """Name of a member's element in the scatter."""
    return point_id(member.result.trial_id, member.point.at)


def mark_of(member: FrontMember, choice: Choice | None) -> Mark:
    """The part that a point plays in the choice."""
    if choice is None:
        return ""
    parts: tuple[tuple[FrontMember | None, Mark], ...] = (
        (choice.member, "chosen"),
        (choice.baseline, "baseline"),
        (choice.runner_up, "runner-up"),
    )
    return next(
        (mark for other, mark in parts if other is not None and other.name == member.name), ""
    )


def front_table(
    front: ParetoFront, choice: Choice | None = None, sure: Membership | None = None
) -> ReportTable:
    """The front, best first by the first objective, with a column for every objective.

    Args:
        front: to show.
        choice: whose parts are marked.
        sure: how likely each member is on the front, a column.
    """
    heads, cells = metric_cells([MeasuredRow.of_member(m) for m in front.members], front.objectives)
    repeated = any(member.seeds for member in front.members)
    rows = []
    for member, values in zip(front.members, cells, strict=True):
        mark = mark_of(member, choice)
        rows.append(
            Row(
                (
                    mark,
                    label(member.result.config),
                    member.point.at,
                    *((str(member.n_seeds),) if repeated else ()),
                    *((f"{sure.probabilities[member.name]:.2f}",) if sure else ()),
                    *values,
                    member.result.trial_id,
                ),
                mark,
                ref_of(member),
            )
        )
    columns = (
        "",
        "configuration",
        ">threshold",
        *((">seeds",) if repeated else ()),
        *((">P(on front)",) if sure else ()),
        *heads,
        "trial",
    )
    note = _measured_on(m.point.score for m in front.members)
    if repeated:
        note += f"; {SEEDS_NOTE}"
    if front.equal:
        counts = ", ".join(f"{name} for {n}" for name, n in front.equal.items())
        note += (
            "; thresholds of the same weights that are equal in every objective are one row, the"
            f" smallest of them: {counts}"
        )
    if sure and sure.note:
        note += f". P(on front): {sure.note}"
    return ReportTable("Front", columns, tuple(rows), note)


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
    note = _measured_on(
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
        f"{_over_seeds(spread)}"
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


def _over_seeds(spread: SeedSpread | None) -> str:
    return f"Intervals are over examples, not over seeds: {seeds_told(spread)}"


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


def finals_table(finals: Sequence[FinalMeasurement], spread: SeedSpread | None) -> ReportTable:
    """Test measurements, with each one's paired difference from the first; `spread` as in
    `equal_density_table`.
    """
    differences = [score_difference(finals[0].point, (1.0, final.point)) for final in finals[1:]]
    heads, cells = metric_cells([MeasuredRow.of(final.point, final.cost) for final in finals])
    rows = tuple(
        Row(
            (
                final.role,
                (
                    f"{final.point.threshold:.4g}"
                    if final.point.percentile is None
                    else f"p{final.point.percentile:.4g}"
                ),
                *values,
                interval_text(final.point.score),
                difference,
                final.trial_id,
            ),
            "chosen" if final.role == "chosen" else "baseline" if final.role == "baseline" else "",
        )
        for final, values, difference in zip(
            finals, cells, ["", *map(difference_text, differences)][: len(finals)], strict=True
        )
    )
    ns = sorted({final.point.score.n_examples for final in finals})
    note = (
        f"measured once on {' or '.join(map(str, ns))} test examples that search and choice never"
        f" saw; {SCORE_NOTE}; {DENSITY_NOTE}"
    )
    if any(differences):
        note += f"; differences [95% interval]: {methods_told(differences)}. {_over_seeds(spread)}"
    head = f">{finals[0].role} minus this" if finals else ">difference"
    columns = ("role", ">threshold", *heads, ">score's 95% interval", head, "trial")
    return ReportTable("Test measurements", columns, rows, note if finals else "")


def steps_table(front: ParetoFront) -> ReportTable:
    """What each step along the front costs and buys."""
    rows = []
    for step in trade_offs(front):
        better = {
            name: (change > 0) == (METRICS[name].direction == "maximize")
            for name, change in step.changes.items()
            if change
        }
        costs, buys = (
            " and ".join(
                f"{abs(step.changes[name]):.3g} {name}"
                for name, good in better.items()
                if good is wanted
            )
            or "nothing"
            for wanted in (False, True)
        )
        ends = (
            f"{label(member.result.config)} at {member.point.at}"
            for member in (step.before, step.after)
        )
        rows.append(Row((*ends, costs, buys), "", ref_of(step.after)))
    return ReportTable(
        "Steps along the front",
        ("configuration, threshold", "next configuration, threshold", "costs", "buys"),
        tuple(rows),
    )


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


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def lost_table(choice: Choice) -> ReportTable:
    """Why each other front member was not chosen."""
    rows = tuple(
        Row(
            (label(r.member.result.config), r.member.point.at, r.why),
            mark_of(r.member, choice),
            ref_of(r.member),
        )
        for r in choice_text.rejected(choice)
    )
    return ReportTable("Why not the others", ("configuration", ">threshold", "why not"), rows)


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


def _measured_on(scores: Iterable[Score]) -> str:
    metrics = sorted({(score.metric, score.n_examples) for score in scores})
    if not metrics:
        return ""
    return (
        "; ".join(f"score = {metric} on {n} validation examples, measured" for metric, n in metrics)
        + f"; {SCORE_NOTE}; {DENSITY_NOTE}"
    )


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

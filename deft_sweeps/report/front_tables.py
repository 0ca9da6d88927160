"""The tables of the front, of the choice and of its test measurements. Every figure in them says
what it is: measured, projected, or a proxy taken beside other trials.
"""

from collections.abc import Sequence

from deft_sweeps.config.label import label
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.membership import Membership
from deft_sweeps.findings.pareto_front import ParetoFront, trade_offs
from deft_sweeps.metrics import METRICS
from deft_sweeps.report import choice_text
from deft_sweeps.report.point_element import ref_of
from deft_sweeps.report.report_table import Mark, ReportTable, Row
from deft_sweeps.report.table_cells import (
    DENSITY_NOTE,
    SCORE_NOTE,
    SEEDS_NOTE,
    MeasuredRow,
    difference_text,
    interval_text,
    measured_on,
    methods_told,
    metric_cells,
    over_examples_note,
)
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.statistics.paired_difference import score_difference
from deft_sweeps.statistics.seed_spread import SeedSpread


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
    note = measured_on(m.point.score for m in front.members)
    if repeated:
        note += f"; {SEEDS_NOTE}"
    if front.equal:
        counts = ", ".join(f"{name} for {n}" for name, n in front.equal.items())
        note += (
            "; thresholds of the same weights that are equal in every objective are one row, the"
            f" smallest of them: {counts}"
        )
    if front.n_saturated:
        note += (
            f"; {front.n_saturated} points without a threshold are left out: the zeros of a smooth"
            " activation (GELU, SiLU) are float saturation, which saves no work"
        )
    if sure and sure.note:
        note += f". P(on front): {sure.note}"
    return ReportTable("Front", columns, tuple(rows), note)


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
        note += f"; differences [95% interval]: {methods_told(differences)}."
        note += f" {over_examples_note(spread)}"
    head = f">{finals[0].role} minus this" if finals else ">difference"
    columns = ("role", ">threshold", *heads, ">score's 95% interval", head, "trial")
    return ReportTable("Test measurements", columns, rows, note if finals else "")

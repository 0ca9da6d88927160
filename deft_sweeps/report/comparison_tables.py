"""The tables of a comparison of sweeps."""

from collections.abc import Sequence

from deft_sweeps.config.label import label
from deft_sweeps.findings.sweep_comparison import ComparedSweep, Comparison
from deft_sweeps.metrics import METRICS
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.report.seed_text import seeds_told
from deft_sweeps.report.table_cells import DENSITY_NOTE, SEEDS_NOTE, MeasuredRow, metric_cells


def sweeps_table(entries: Sequence[ComparedSweep], comparison: Comparison) -> ReportTable:
    """One row a sweep, and one for the front of them all."""
    joint = comparison.hypervolumes[""]
    rows = [
        Row(
            (
                entry.name,
                str(len(entry.results)),
                str(len(entry.front.members)),
                f"{comparison.hypervolumes[entry.name]:.4g}",
                _share(comparison.hypervolumes[entry.name], joint),
                str(len(comparison.survivors[entry.name])),
            )
        )
        for entry in entries
    ]
    n_joint = sum(map(len, comparison.survivors.values()))
    rows.append(
        Row(
            (
                "all of them",
                str(sum(len(e.results) for e in entries)),
                str(n_joint),
                f"{joint:.4g}",
                _share(joint, joint),
                "",
            )
        )
    )
    reference = ", ".join(f"{name} {value:.4g}" for name, value in comparison.reference.items())
    note = (
        f"hypervolume under one reference point for all: {reference}; fronts are under each sweep's"
        " own limits, on validation examples"
    )
    columns = (
        "sweep",
        ">trials",
        ">front",
        ">hypervolume",
        ">of the joint front's",
        ">members on the joint front",
    )
    return ReportTable("Sweeps", columns, tuple(rows), note)


def survivors_table(comparison: Comparison) -> ReportTable:
    """The joint front, best first by the first objective, and whose each member is."""
    members = [
        (name, member) for name, members in comparison.survivors.items() for member in members
    ]
    first = METRICS[comparison.objectives[0]]
    members.sort(key=lambda pair: (first.sign * pair[1].values[first.name], pair[1].name))
    heads, cells = metric_cells(
        [MeasuredRow.of_member(m) for _, m in members], comparison.objectives
    )
    rows = tuple(
        Row((name, label(m.result.config), m.point.at, str(m.n_seeds), *values, m.result.trial_id))
        for (name, m), values in zip(members, cells, strict=True)
    )
    columns = ("sweep", "configuration", ">threshold", ">seeds", *heads, "trial")
    note = DENSITY_NOTE + (f"; {SEEDS_NOTE}" if any(m.seeds for _, m in members) else "")
    return ReportTable("Joint front", columns, rows, note)


def levels_table(comparison: Comparison) -> ReportTable:
    """The best score that each sweep has at a density or below it, and how far it is from the first
    sweep's.
    """
    names = tuple(comparison.hypervolumes)[:-1]
    first = names[0]
    rows = tuple(
        Row(
            (
                f"{level.density:.3f}",
                *(
                    f"{level.scores[name]:.3f}"
                    + (
                        ""
                        if name == first
                        else f" ({level.scores[name] - level.scores[first]:+.3f})"
                    )
                    for name in names
                ),
            )
        )
        for level in comparison.levels
    )
    note = (
        "best score of the sweep's front at this density or below, measured on validation examples;"
        " in brackets its difference from the first sweep's. Each is the best of many, so small"
        f" differences are no more than noise; {seeds_told(comparison.seed_spread, 'these sweeps')}"
    )
    return ReportTable(
        "At equal density", (">density at most", *(f">{name}" for name in names)), rows, note
    )


def _share(volume: float, joint: float) -> str:
    return f"{volume / joint:.3f}" if joint > 0 else "–"

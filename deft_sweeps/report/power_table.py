"""How likely a sweep's selection split certifies a configuration, said before anything is spent."""

from deft_sweeps.findings.verdict import floor_of
from deft_sweeps.metrics import SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.specification.starter import ENOUGH_SELECTION
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.statistics.certification_power import DISCORDANCES, examples_for, power
from deft_sweeps.tasks.split import Examples


def power_table(spec: SweepSpec, splits: Examples | None = None) -> ReportTable:
    """The power at each limit on the score that names a baseline; no rows without such a limit.

    Power is the probability that a candidate is certified. It is stated for a candidate that loses
    nothing, and for one that loses half the margin.

    Args:
        spec: the sweep.
        splits: its examples; None if they cannot be read.
    """
    n, alpha = _n_selection(spec, splits), spec.alpha
    rows = []
    for limit in _relative(spec) if n else ():
        margin = -limit.bound.value
        for discordance in DISCORDANCES:
            rows.append(
                Row(
                    (
                        str(limit.bare),
                        f"{discordance:.0%}",
                        f"{power(n, margin, 0.0, discordance, alpha):.0%}",
                        f"{power(n, margin, margin / 2, discordance, alpha):.0%}",
                        f"{examples_for(margin, discordance, alpha):,}",
                    )
                )
            )
    columns = (
        "limit",
        ">answers that differ",
        ">certified, no loss",
        ">certified, half the margin",
        ">examples for 80%",
    )
    note = (
        f"probability that {n} selection examples certify one candidate at alpha {alpha:g}, by the"
        " share of examples that candidate and baseline answer differently: projected"
    )
    return ReportTable("Certificate", columns, tuple(rows), note)


def certification_told(spec: SweepSpec, splits: Examples | None = None) -> str:
    """What the sweep can certify, a sentence.

    Args:
        spec: the sweep.
        splits: its examples; None if they cannot be read.
    """
    limits = spec.every_limit
    n, floor = _n_selection(spec, splits), floor_of(limits, spec.alpha)
    if not n:
        return (
            "The choice will not be certified: the task's splits have no `selection` examples"
            f" ({_proposal(floor, splits)})."
        )
    if n < floor:
        return (
            f"Nothing can be certified: {n} selection examples, but these limits need at"
            f" least {floor:,}, even if no answer differs; {_more(floor, splits)}allow a wider"
            " margin."
        )
    if not limits:
        return "The choice will not be certified: neither `limits` nor `choose` names a limit."
    if splits is not None:
        return f"The choice can be certified on {n} selection examples."
    return (
        f"The choice can be certified on {n} selection examples, or on a quarter of the training"
        " file if that is fewer."
    )


def _n_selection(spec: SweepSpec, splits: Examples | None) -> int:
    return spec.splits.selection if splits is None else len(splits.selection)


def _proposal(floor: int, splits: Examples | None) -> str:
    """How to set selection examples aside, or why there are too few for it."""
    if splits is None:
        return (
            f"`splits: {{selection: {ENOUGH_SELECTION}}}` sets them aside, at most a quarter of"
            " the training file"
        )
    n = min(ENOUGH_SELECTION, splits.n_selectable)
    if n < max(floor, 1):
        return (
            f"a quarter of the training file, {n} examples, is the most there can be, and these"
            f" limits need at least {floor:,}"
        )
    return f"`splits: {{selection: {n}}}` sets them aside"


def _more(floor: int, splits: Examples | None) -> str:
    """The advice to raise the size of the split, if the file has the rows."""
    has_rows = splits is None or splits.n_selectable >= floor
    return "raise `splits.selection`, or " if has_rows else ""


def _relative(spec: SweepSpec) -> list[Constraint]:
    return [
        limit
        for limit in spec.every_limit
        if limit.metric == SCORE.name
        and limit.relation == ">="
        and limit.bound.baseline is not None
        and limit.bound.value < 0
    ]

"""How likely a sweep's selection split certifies a configuration, said before anything is spent."""

from deft_sweeps.findings.verdict import floor_of
from deft_sweeps.metrics import SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.report.report_table import ReportTable, Row
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.statistics.certification_power import DISCORDANCES, examples_for, power


def power_table(spec: SweepSpec) -> ReportTable:
    """The power at each limit on the score that names a baseline; no rows without such a limit.

    Power is the probability that a candidate is certified. It is stated for a candidate that loses
    nothing, and for one that loses half the margin.
    """
    n, alpha = spec.splits.selection, spec.alpha
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


def certification_told(spec: SweepSpec) -> str:
    """What the sweep can certify, a sentence."""
    n = spec.splits.selection
    if not n:
        return (
            "The choice will not be certified: the task's splits have no `selection` examples"
            " (`splits: {selection: 1200}` sets them aside, at most a quarter of the training"
            " file)."
        )
    floor = floor_of(spec.every_limit, spec.alpha)
    if n < floor:
        return (
            f"Nothing can be certified: {n} selection examples, but these limits need at"
            f" least {floor:,}, even if no answer differs; raise `splits.selection`, or allow a"
            " wider margin."
        )
    if not spec.every_limit:
        return "The choice will not be certified: neither `limits` nor `choose` names a limit."
    return (
        f"The choice can be certified on {n} selection examples, or on a quarter of the training"
        " file if that is fewer."
    )


def _relative(spec: SweepSpec) -> list[Constraint]:
    return [
        limit
        for limit in spec.every_limit
        if limit.metric == SCORE.name
        and limit.relation == ">="
        and limit.bound.baseline is not None
        and limit.bound.value < 0
    ]

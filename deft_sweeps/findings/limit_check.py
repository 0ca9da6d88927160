"""Whether a measured point keeps a limit, and by how much not.

A limit with `surely` is kept by the near end of a 95 % interval and not by the value alone. The
interval speaks of other examples, not of training again with another seed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember, MeasuredTraining
from deft_sweeps.metrics import METRICS, SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.result import Point
from deft_sweeps.statistics.paired_difference import Z_95, mean_difference

PAIRED = "by the 95% interval of the difference, paired by example"
UNPAIRED = "by the standard errors of both scores, since their examples cannot be paired"
ALONE = "by the 95% interval of the score"


@dataclass(frozen=True, slots=True)
class SureExcess:
    """How far the near end of the interval is on a limit's wrong side.

    Attributes:
        value: in units of the score; <= 0 keeps the limit.
        how: which interval was taken, in words.
    """

    value: float
    how: str


def judgeable(limit: Constraint, baselines: Baselines) -> bool:
    """Whether the baseline that the limit names, if any, was measured and has its metric."""
    name = limit.bound.baseline
    return name is None or (name in baselines and limit.metric in baselines[name].values)


def rests_on_proxy(member: FrontMember, metric: str) -> bool:
    """Whether the member has only a proxy of a metric: taken beside other trials, or not in the
    runtime that the sweep deploys to.
    """
    return METRICS[metric].rests_on_proxy(member.result.cost)


def awaits_cost(member: FrontMember, limit: Constraint, baselines: Baselines) -> bool:
    """Whether the limit cannot judge the member before its structure, or that of the baseline, was
    measured alone: a proxy is no reason.
    """
    name = limit.bound.baseline
    other = None if name is None else baselines.get(name)
    return rests_on_proxy(member, limit.metric) or (
        other is not None and rests_on_proxy(other, limit.metric)
    )


def awaiting_costs(
    members: Iterable[FrontMember],
    limits: Iterable[Constraint],
    baselines: Baselines,
    ranked: Iterable[str] = (),
) -> dict[str, int]:
    """How many of the members each limit cannot judge yet, and each metric cannot rank; those with
    none are left out.
    """
    members = tuple(members)
    counts = {str(one): sum(awaits_cost(m, one, baselines) for m in members) for one in limits}
    counts |= {f"best {name}": sum(rests_on_proxy(m, name) for m in members) for name in ranked}
    return {what: n for what, n in counts.items() if n}


def admits(member: FrontMember, limit: Constraint, baselines: Baselines) -> bool:
    """Whether the limit excludes the member from no front: it is kept, or cannot judge it yet.

    Raises:
        ValueError: as `excess`.
    """
    return awaits_cost(member, limit, baselines) or keeps(member, limit, baselines)


def excess(member: FrontMember, limit: Constraint, baselines: Baselines) -> float:
    """How far the member is on the limit's wrong side, in the metric's unit.

    Returns:
        <= 0 if the limit is kept, inf if the metric was not measured.

    Raises:
        ValueError: the limit names a baseline that was not measured.
    """
    if limit.metric not in member.values:
        return math.inf
    name = limit.bound.baseline
    other = None if name is None else baselines.get(name)
    if limit.surely and (name is None or other is not None):
        return _sure_excess(member, limit, other).value
    return _plain_excess(member, limit, other)


def interval_words(member: FrontMember, limit: Constraint, baselines: Baselines) -> str:
    """Which interval judges a limit with `surely` at this member, in words."""
    other = baselines.get(limit.bound.baseline) if limit.bound.baseline else None
    return _sure_excess(member, limit, other).how


def keeps(member: FrontMember, limit: Constraint, baselines: Baselines) -> bool:
    """Whether the member keeps the limit; a rounding error of the bound's sum is forgiven.

    Raises:
        ValueError: as `excess`.
    """
    forgiven = 1e-12 * max(1.0, abs(member.values.get(limit.metric, 0.0)))
    if limit.surely and limit.metric in member.values and judgeable(limit, baselines):
        # The interval only tightens a limit, and costs far more than this look.
        name = limit.bound.baseline
        if _plain_excess(member, limit, None if name is None else baselines[name]) > forgiven:
            return False
    beyond = excess(member, limit, baselines)
    return beyond < -forgiven if limit.strict else beyond <= forgiven


def surely_broken(member: FrontMember, limit: Constraint, baselines: Baselines) -> bool:
    """Whether the whole 95 % interval lies beyond the limit; by the value if the metric has none.

    Raises:
        ValueError: as `excess`.
    """
    if limit.metric != SCORE.name:
        return not keeps(member, limit, baselines)
    # The other end of the interval: it breaks the limit if the opposite limit is surely kept.
    opposite: Literal["<=", ">="] = "<=" if limit.relation == ">=" else ">="
    return excess(member, replace(limit, relation=opposite, surely=True), baselines) < 0


def _plain_excess(member: FrontMember, limit: Constraint, other: FrontMember | None) -> float:
    baseline = None if other is None else other.values.get(limit.metric)
    return limit.violation(member.values[limit.metric], baseline)


def _sure_excess(member: FrontMember, limit: Constraint, other: FrontMember | None) -> SureExcess:
    (value, error), how = _mean_score(member.points), ALONE
    if other is not None and other.points:
        if member.result.config == other.result.config and member.points == other.points:
            # A baseline differs from itself by nothing, even if no single scores can be paired.
            value, error, how = 0.0, 0.0, PAIRED
        else:
            value, error, how = _difference(member, other)
    bound = limit.bound.value
    near_end = value - Z_95 * error if limit.relation == ">=" else value + Z_95 * error
    return SureExcess(bound - near_end if limit.relation == ">=" else near_end - bound, how)


def _difference(member: FrontMember, other: FrontMember) -> tuple[float, float, str]:
    """Mean score of the member minus the other's, its standard error, and how it was taken."""
    same = _same_examples(member.result, other.result)
    paired = mean_difference(member.points, other.points) if same else None
    if paired is not None:
        return paired.value, paired.standard_error, PAIRED
    (value, error), (base, base_error) = _mean_score(member.points), _mean_score(other.points)
    return value - base, math.hypot(error, base_error), UNPAIRED


def _mean_score(points: Sequence[Point]) -> tuple[float, float]:
    """The score's mean over the seeds and its standard error: over the same examples it is no
    larger than the mean of theirs.
    """
    n = len(points)
    value = sum(point.score.value for point in points) / n
    return value, sum(point.score.standard_error for point in points) / n


def _same_examples(a: MeasuredTraining, b: MeasuredTraining) -> bool:
    """Whether both were measured on the same data, as far as they say."""
    if not (a.provenance and b.provenance):
        return True
    return a.provenance.dataset_fingerprint == b.provenance.dataset_fingerprint

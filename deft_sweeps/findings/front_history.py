"""From results to the front's history, which tells whether more trials would pay."""

from collections.abc import Sequence

from deft_sweeps.findings.baseline import Baselines, baselines_among
from deft_sweeps.findings.front_member import FrontMember, candidates, pooled, values_of
from deft_sweeps.findings.limit_check import admits, judgeable
from deft_sweeps.findings.pareto_front import counts_saturation, reference_of
from deft_sweeps.metrics import as_losses
from deft_sweeps.objective import Constraint
from deft_sweeps.result import TrialResult
from deft_sweeps.statistics.plateau import FrontHistory


def history_of(
    results: Sequence[TrialResult], objectives: Sequence[str], limits: Sequence[Constraint] = ()
) -> FrontHistory:
    """What the front grew from; limits whose baseline was not measured yet are left out."""
    points = candidates(results)
    return history_of_points(results, points, objectives, limits, baselines_among(points, limits))


def history_of_points(
    results: Sequence[TrialResult],
    points: Sequence[FrontMember],
    objectives: Sequence[str],
    limits: Sequence[Constraint],
    baselines: Baselines,
) -> FrontHistory:
    """As `history_of`.

    Args:
        results: of any status.
        points: their measured points, each training by itself.
        objectives: names of metrics.
        limits: that points must keep to count.
        baselines: that limits compare with.
    """
    judged = [limit for limit in limits if judgeable(limit, baselines)]
    pool = [member for member in points if all(name in member.values for name in objectives)]
    reference, _ = reference_of(pooled(pool), objectives, {})
    inside: dict[int, list[FrontMember]] = {id(result): [] for result in _by_end(results)}
    for member in pool:
        if counts_saturation(member, objectives):
            continue
        if all(admits(member, limit, baselines) for limit in judged):
            inside[id(member.result)].append(member)
    losses = [as_losses(values_of(own, objectives), objectives) for own in inside.values()]
    corner = as_losses([reference[name] for name in objectives], objectives)
    return FrontHistory(tuple(losses), corner)


def _by_end(results: Sequence[TrialResult]) -> list[TrialResult]:
    return sorted(results, key=lambda result: (result.finished_at, result.trial_id))

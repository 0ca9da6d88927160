"""The baselines that limits compare with: the best mean over seeds, without a threshold."""

from collections.abc import Iterable, Mapping

from deft_sweeps.config.baseline_kind import BASELINES, BaselineName
from deft_sweeps.findings.front_member import FrontMember, candidates, pooled
from deft_sweeps.metrics import SCORE
from deft_sweeps.objective import Constraint
from deft_sweeps.result import TrainingAtRung, TrialResult

Baselines = Mapping[BaselineName, FrontMember]


def best_baseline(members: Iterable[FrontMember]) -> FrontMember | None:
    """The best-scoring member without a threshold, of equals the one that finished first; None if
    no member was measured without a threshold.
    """
    whole = (member for member in members if member.point.is_unthresholded)
    return max(whole, key=_merit, default=None)


def baselines_of(
    results: Iterable[TrialResult | TrainingAtRung], limits: Iterable[Constraint] = ()
) -> dict[BaselineName, FrontMember]:
    """Every baseline that the results have."""
    return baselines_among(candidates(results), limits)


def baselines_among(
    points: Iterable[FrontMember], limits: Iterable[Constraint] = ()
) -> dict[BaselineName, FrontMember]:
    """The baselines of every kind, and those that limits name, among measured points.

    Args:
        points: each training by itself.
        limits: may name members of axes.
    """
    whole = [member for member in points if member.point.is_unthresholded]
    best: dict[BaselineName, FrontMember] = {}
    named = (limit.bound.baseline for limit in limits if limit.bound.baseline is not None)
    for name in dict.fromkeys((*BASELINES, *named)):
        fitting = pooled(m for m in whole if m.result.config.is_baseline(name))
        member = best_baseline(fitting)
        if member is not None:
            best[name] = member
    return best


def _merit(member: FrontMember) -> tuple[float, float, str]:
    return member.values[SCORE.name], -member.result.finished_at, member.name

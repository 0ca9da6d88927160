"""Choosing one member of the front by a stated policy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import (
    FrontMember,
    directions_of,
    seed_spread_of,
    values_of,
)
from deft_sweeps.findings.limit_check import awaits_cost, excess, judgeable
from deft_sweeps.findings.pareto_front import ParetoFront
from deft_sweeps.front import knee_distances
from deft_sweeps.metrics import METRICS, SCORE
from deft_sweeps.objective import Constraint, Policy
from deft_sweeps.statistics.paired_difference import PairedDifference, mean_difference
from deft_sweeps.statistics.seed_spread import SeedSpread


@dataclass(frozen=True, slots=True)
class Choice:
    """What a policy makes of the measured points.

    Attributes:
        policy: that was applied.
        limits: of the sweep, then the policy's own, each once.
        front: under the sweep's own limits; the chosen one is on it unless the policy names a
            metric that is no objective.
        pool: every measured point that may be chosen, pooled over seeds; limits do not matter here.
        member: the chosen one; None if nothing keeps every limit.
        runner_up: what the policy would take without `member`.
        baselines: that limits compare with, as far as the sweep has them.
        difference: chosen minus `baseline`, paired over the same validation examples; None
            if either is missing, or if they cannot be paired.
        merits: of every point that keeps every limit, by its name; the policy takes the highest.
        nearest_miss: the point that breaks the limits least; only if nothing keeps them.
        n_points: measured points that the choice was made from, each seed by itself.
        awaiting: limits that cannot judge some points of the pool yet, and a metric that the policy
            cannot rank them by, with their number; such points are not chosen.
        needs_certificate: only certified configurations were eligible.
    """

    policy: Policy
    limits: tuple[Constraint, ...]
    front: ParetoFront
    pool: tuple[FrontMember, ...]
    member: FrontMember | None
    runner_up: FrontMember | None
    baselines: Baselines
    difference: PairedDifference | None
    merits: Mapping[str, float] = field(default_factory=dict)
    nearest_miss: FrontMember | None = None
    n_points: int = 0
    awaiting: Mapping[str, int] = field(default_factory=dict)
    needs_certificate: bool = False

    @property
    def baseline(self) -> FrontMember | None:
        """What a limit on the score compares with, otherwise the best plain PEFT, without a
        threshold; None if the sweep has neither.
        """
        return _main_baseline(self.limits, self.baselines)

    @property
    def seed_spread(self) -> SeedSpread | None:
        """How far the seed alone moves a score; None if this sweep does not tell."""
        return seed_spread_of(self.pool)


def choose_from(
    pool: Sequence[FrontMember],
    eligible: Sequence[FrontMember],
    front: ParetoFront,
    baselines: Baselines,
    policy: Policy,
    limits: Sequence[Constraint],
    n_points: int,
    awaiting: Mapping[str, int],
    *,
    needs_certificate: bool = False,
) -> Choice:
    """Apply a policy.

    Args:
        pool: every measured point with the objectives and the policy's metric, pooled over seeds.
        eligible: those on the front of the points that keep every limit, best first by the first
            objective.
        front: under the sweep's own limits.
        baselines: as far as the sweep has them.
        policy: to apply.
        limits: of the sweep and of the policy, each once.
        n_points: in the pool, each seed by itself.
        awaiting: as in `Choice`.
        needs_certificate: whether `eligible` are the certified ones.
    """
    if not eligible:
        miss = _nearest_miss(pool, limits, baselines)
        return Choice(
            policy=policy,
            limits=tuple(limits),
            front=front,
            pool=tuple(pool),
            member=None,
            runner_up=None,
            baselines=baselines,
            difference=None,
            nearest_miss=miss,
            n_points=n_points,
            awaiting=awaiting,
            needs_certificate=needs_certificate,
        )
    merits = _merits(eligible, axes_of(front.objectives, policy), policy)
    # Among equals on the policy's metric the first objective decides: members come sorted by it.
    ranking = sorted(range(len(eligible)), key=lambda i: -merits[i])
    if policy.then is not None:
        ranking = _by_second_metric(ranking, eligible, policy)
    member = eligible[ranking[0]]
    baseline = _main_baseline(limits, baselines)
    difference = None
    if baseline is not None and baseline.name != member.name:
        difference = mean_difference(member.points, baseline.points)
    return Choice(
        policy=policy,
        limits=tuple(limits),
        front=front,
        pool=tuple(pool),
        member=member,
        runner_up=eligible[ranking[1]] if len(eligible) > 1 else None,
        baselines=baselines,
        difference=difference,
        merits={eligible[i].name: merits[i] for i in ranking},
        n_points=n_points,
        awaiting=awaiting,
        needs_certificate=needs_certificate,
    )


def _main_baseline(limits: Sequence[Constraint], baselines: Baselines) -> FrontMember | None:
    named = (limit.bound.baseline for limit in limits if limit.metric == SCORE.name)
    measured = (baselines.get(name) for name in (*named, "peft") if name is not None)
    return next((member for member in measured if member is not None), None)


def axes_of(objectives: Sequence[str], policy: Policy) -> tuple[str, ...]:
    """The objectives, and the policy's metric if it is none of them.

    The front of the eligible points then has one more dimension, so that its best by that metric is
    never missed.
    """
    return tuple(dict.fromkeys((*objectives, *ranked_by(policy))))


def ranked_by(policy: Policy) -> tuple[str, ...]:
    """The metrics that a policy names to be best at; none for the knee."""
    return tuple(name for name in (policy.metric, policy.then) if name is not None)


def _by_second_metric(
    ranking: Sequence[int], eligible: Sequence[FrontMember], policy: Policy
) -> list[int]:
    """The ranking with all that are within the policy's band of the best in the order of its second
    metric, and the others behind them.
    """
    assert policy.metric is not None
    assert policy.then is not None
    first, second = policy.metric, METRICS[policy.then]
    best = eligible[ranking[0]].values[first]
    reach = policy.band * abs(best)
    within = [i for i in ranking if abs(eligible[i].values[first] - best) <= reach]
    within.sort(key=lambda i: second.sign * eligible[i].values[second.name])
    return [*within, *(i for i in ranking if i not in within)]


def _merits(members: Sequence[FrontMember], axes: Sequence[str], policy: Policy) -> list[float]:
    """What the policy ranks by, higher is better."""
    if policy.metric is None:
        distances = knee_distances(values_of(members, axes), directions_of(axes))
        return [float(distance) for distance in distances]
    sign = METRICS[policy.metric].sign
    return [-sign * member.values[policy.metric] for member in members]


def _nearest_miss(
    pool: Sequence[FrontMember], limits: Sequence[Constraint], baselines: Baselines
) -> FrontMember | None:
    """The point with the smallest sum of excesses, each in units of the metric's spread over the
    points.
    """
    if not pool or not all(judgeable(limit, baselines) for limit in limits):
        return None

    def spread(metric: str) -> float:
        seen = [member.values[metric] for member in pool if metric in member.values]
        width = max(seen) - min(seen) if seen else 0.0
        return width or max(map(abs, seen), default=1.0) or 1.0

    spreads = {limit.metric: spread(limit.metric) for limit in limits}

    def miss(member: FrontMember) -> float:
        by_limit = (excess(member, limit, baselines) / spreads[limit.metric] for limit in limits)
        return math.fsum(max(0.0, beyond) for beyond in by_limit)

    judged = [m for m in pool if not any(awaits_cost(m, one, baselines) for one in limits)]
    return min(judged, key=miss, default=None)

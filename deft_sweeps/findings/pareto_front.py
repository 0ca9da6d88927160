"""From measured points to the front. Derived each time, never stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from deft_sweeps.findings.baseline import Baselines, baselines_of
from deft_sweeps.findings.front_member import FrontMember, configurations, directions_of, values_of
from deft_sweeps.findings.limit_check import admits, awaiting_costs, judgeable
from deft_sweeps.front import hypervolume, non_dominated
from deft_sweeps.metrics import METRICS
from deft_sweeps.objective import Constraint
from deft_sweeps.result import TrialResult


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """The measured points that keep every limit and that no other such point dominates.

    Attributes:
        members: best first by the first objective. Points of one configuration that are equal in
            every objective are one member, that of the smallest threshold.
        objectives: names of metrics, in the sweep's order.
        reference: of the hypervolume, one value an objective.
        reference_note: where the reference comes from, a sentence.
        hypervolume: between front and reference, in the product of the objectives' units; higher is
            better.
        n_candidates: measured points that have every objective; those of a configuration's seeds at
            one threshold count as one.
        n_outside: candidates that break a limit, or lack a metric that a limit names.
        n_saturated: candidates that keep every limit and do not compete, by `counts_saturation`.
        unjudged: limits that cannot be judged because their baseline was not measured yet; while
            there are any, no point is a member.
        awaiting: limits that exclude nothing of some candidates yet, with their number: only a
            proxy of the metric was measured. Each structure is measured alone after the search.
        equal: by the member's name, how many points it stands for; only those with several.
    """

    members: tuple[FrontMember, ...]
    objectives: tuple[str, ...]
    reference: dict[str, float]
    reference_note: str
    hypervolume: float
    n_candidates: int
    n_outside: int
    n_saturated: int = 0
    unjudged: tuple[Constraint, ...] = ()
    equal: Mapping[str, int] = field(default_factory=dict)
    awaiting: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TradeOff:
    """What a step along the front costs and buys.

    Attributes:
        changes: each objective's value at `after` minus that at `before`, in its own unit.
    """

    before: FrontMember
    after: FrontMember
    changes: dict[str, float]


def pareto_front(
    results: Iterable[TrialResult],
    objectives: Sequence[str],
    limits: Sequence[Constraint] = (),
    baselines: Baselines | None = None,
    reference: Mapping[str, float] | None = None,
) -> ParetoFront:
    """The front of all measured points.

    The points of one trial compete with each other too, and the seeds of a configuration compete as
    their mean.

    Args:
        results: of any status; only complete ones have points.
        objectives: names of metrics.
        limits: a point that breaks one never counts.
        baselines: what limits may refer to; None takes them from `results`.
        reference: of the hypervolume; for a metric that it lacks, the worst possible value, or else
            the worst among the candidates.
    """
    results = tuple(results)
    if baselines is None:
        named = any(limit.bound.baseline for limit in limits)
        baselines = baselines_of(results, limits) if named else {}
    return front_of(configurations(results, objectives), objectives, limits, baselines, reference)


def front_of(
    pool: Sequence[FrontMember],
    objectives: Sequence[str],
    limits: Sequence[Constraint] = (),
    baselines: Baselines | None = None,
    reference: Mapping[str, float] | None = None,
    *,
    with_saturated: bool = False,
) -> ParetoFront:
    """The front of points that are pooled over seeds already; otherwise as `pareto_front`.

    Args:
        pool: measured points.
        objectives: names of metrics.
        limits: as in `pareto_front`.
        baselines: that limits compare with.
        reference: as in `pareto_front`.
        with_saturated: points whose zeros are float saturation compete too.
    """
    known_baselines = baselines or {}
    unjudged = tuple(limit for limit in limits if not judgeable(limit, known_baselines))
    inside: tuple[FrontMember, ...] = ()
    if not unjudged:
        inside = tuple(
            m for m in pool if all(admits(m, limit, known_baselines) for limit in limits)
        )
    n_inside = len(inside)
    if not with_saturated:
        inside = tuple(m for m in inside if not counts_saturation(m, objectives))
    corner, note = reference_of(pool, objectives, reference or {})
    directions = directions_of(objectives)
    values = values_of(inside, objectives)
    on_front = non_dominated(values, directions)
    members, equal = _distinct(
        [member for member, on in zip(inside, on_front, strict=True) if on], objectives
    )
    # Equal fronts are listed equally, whatever order their trials finished in.
    members.sort(key=lambda m: (*(METRICS[n].sign * m.values[n] for n in objectives), m.name))
    volume = 0.0
    if members:
        # Dominated points add nothing, and with three objectives they cost nearly all of the time.
        volume = hypervolume(values[on_front], [corner[name] for name in objectives], directions)
    return ParetoFront(
        members=tuple(members),
        objectives=tuple(objectives),
        reference=corner,
        reference_note=note,
        hypervolume=volume,
        n_candidates=len(pool),
        n_outside=len(pool) - n_inside,
        n_saturated=n_inside - len(inside),
        unjudged=unjudged,
        equal=equal,
        awaiting=awaiting_costs(pool, limits, known_baselines),
    )


def counts_saturation(member: FrontMember, metrics: Iterable[str]) -> bool:
    """Whether one of the metrics would compare the member by zeros that are float saturation.

    Such points stay baselines of limits, and samplers learn from them.
    """
    return member.point.float_saturation and any(METRICS[name].counts_zeros for name in metrics)


def _distinct(
    members: Iterable[FrontMember], objectives: Sequence[str]
) -> tuple[list[FrontMember], dict[str, int]]:
    """One member for the equal points of the same weights, and how many each stands for."""
    groups: dict[tuple[object, ...], list[FrontMember]] = {}
    for member in members:
        key = (member.result.trial_id, member.n_seeds, *(member.values[n] for n in objectives))
        groups.setdefault(key, []).append(member)
    firsts = {
        min(group, key=lambda m: (m.point.percentile is not None, m.point.threshold)).name: group
        for group in groups.values()
    }
    first_members = [next(m for m in group if m.name == name) for name, group in firsts.items()]
    return first_members, {name: len(group) for name, group in firsts.items() if len(group) > 1}


def trade_offs(front: ParetoFront) -> tuple[TradeOff, ...]:
    """The steps from each member to the next, from the best of the first objective downwards."""
    return tuple(
        TradeOff(a, b, {name: b.values[name] - a.values[name] for name in front.objectives})
        for a, b in pairwise(front.members)
    )


def reference_of(
    pool: Sequence[FrontMember], objectives: Sequence[str], given: Mapping[str, float]
) -> tuple[dict[str, float], str]:
    """The reference point of the hypervolume, and a sentence that says where it comes from.

    Args:
        pool: the candidates, pooled over seeds.
        objectives: names of metrics.
        given: values that the caller fixes.
    """
    corner: dict[str, float] = {}
    reasons = []
    for name in objectives:
        corner[name], why = _reference_value(pool, name, given.get(name))
        reasons.append(f"{name} {corner[name]:g} ({why})")
    return corner, "reference point: " + ", ".join(reasons)


def _reference_value(
    pool: Sequence[FrontMember], name: str, given: float | None
) -> tuple[float, str]:
    if given is not None:
        return given, "as given"
    metric = METRICS[name]

    def loss(value: float) -> float:
        return metric.sign * value

    possible = [metric.worst(member.point) for member in pool] or [metric.worst(None)]
    finite = [value for value in possible if value is not None]
    if finite:
        return max(finite, key=loss), "the worst possible"
    if not pool:
        return 0.0, "nothing measured yet"
    seen = [member.values[name] for member in pool]
    return max(seen, key=loss), "the worst measured in this sweep"

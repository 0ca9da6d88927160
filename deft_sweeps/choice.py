"""Choosing one member of the front by a stated policy, and saying why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from deft_sweeps.config.label import label
from deft_sweeps.front import (
    FrontMember,
    PairedDifference,
    ParetoFront,
    baseline_member,
    baselines_of,
    candidates,
    configurations,
    knee_distances,
    mean_difference,
    pareto_front,
)
from deft_sweeps.front.pareto import Baselines, directions_of, excess, how_sure, judgeable, keeps, values_of
from deft_sweeps.front.proxy import proxy_notes
from deft_sweeps.objective import METRICS, Constraint, Policy
from deft_sweeps.result import TrialResult


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a front member was not chosen, a sentence."""

    member: FrontMember
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The configuration to ship, or why there is none.

    Attributes:
        front: of the sweep's objectives under its limits; the chosen one is on it unless the policy names a metric that is no objective.
        member: the chosen one; None where nothing keeps every limit.
        runner_up: what the policy would take if `member` were not there.
        baseline: the best plain PEFT, where there is one.
        difference: chosen minus baseline, paired over the same validation examples; None where either is missing.
        why: one sentence.
        caveats: what the validation figures cannot promise, a sentence each.
        lost: why each other member of the front was not chosen.
        nearest_miss: the point that breaks the limits least; only where nothing keeps them.
        baselines: what limits compare with, as far as the sweep has it.
    """

    policy: Policy
    front: ParetoFront
    member: FrontMember | None
    runner_up: FrontMember | None
    baseline: FrontMember | None
    difference: PairedDifference | None
    why: str
    caveats: tuple[str, ...] = ()
    lost: tuple[Rejected, ...] = ()
    nearest_miss: FrontMember | None = None
    baselines: Baselines = field(default_factory=dict)


def choose(
    results: Iterable[TrialResult], objectives: Sequence[str], limits: Sequence[Constraint] = (), policy: Policy | None = None
) -> Choice:
    """Apply the policy to everything measured.

    Args:
        results: of any status.
        objectives: names of `objective.METRICS`.
        limits: of the sweep; the policy's own come on top.
        policy: None takes the knee.
    """
    results = tuple(results)
    policy = policy or Policy()
    baselines = baselines_of(results)
    front = pareto_front(results, objectives, limits, baselines)
    baseline = baseline_member(results)
    # A policy may name a metric that is no objective: then the front has one more dimension, so that its best is never missed.
    axes = tuple(objectives) + ((policy.metric,) if policy.metric and policy.metric not in objectives else ())
    every = tuple(dict.fromkeys((*limits, *policy.where)))
    eligible = pareto_front(results, axes, every, baselines).members
    proxies = proxy_notes(results, every)
    if not eligible:
        pool = configurations(results, axes)
        miss = _nearest_miss(pool, every, baselines)
        return Choice(
            policy=policy,
            front=front,
            member=None,
            runner_up=None,
            baseline=baseline,
            difference=None,
            why=_why_none(pool, every, baselines, miss),
            caveats=proxies,
            nearest_miss=miss,
            baselines=baselines,
        )
    merit = _merits(eligible, axes, policy)
    # Among equals on the policy's metric the first objective decides: members come sorted by it.
    ranking = sorted(range(len(eligible)), key=lambda i: -merit[i])
    member = eligible[ranking[0]]
    runner_up = eligible[ranking[1]] if len(eligible) > 1 else None
    difference = None
    if baseline is not None and baseline.name != member.name:
        difference = mean_difference(member.points, baseline.points)
    merits = {eligible[i].name: merit[i] for i in ranking}
    others = [other for other in front.members if other.name != member.name]
    return Choice(
        policy=policy,
        front=front,
        member=member,
        runner_up=runner_up,
        baseline=baseline,
        difference=difference,
        why=_why(member, policy, len(eligible), merits[member.name]),
        caveats=(*_caveats(member, baseline, difference, every, baselines, len(candidates(results, axes))), *proxies),
        lost=tuple(Rejected(other, _why_lost(other, member, policy, every, baselines, merits)) for other in others),
        baselines=baselines,
    )


def _merits(members: Sequence[FrontMember], axes: Sequence[str], policy: Policy) -> list[float]:
    """What the policy ranks by, higher is better."""
    if policy.metric is None:
        return [float(d) for d in knee_distances(values_of(members, axes), directions_of(axes))]
    sign = 1.0 if METRICS[policy.metric].direction == "maximize" else -1.0
    return [sign * member.values[policy.metric] for member in members]


def _why(member: FrontMember, policy: Policy, n_eligible: int, merit: float) -> str:
    kept = (
        f" of the {n_eligible} front points that keep every limit"
        if n_eligible > 1
        else ": it is the only front point that keeps every limit"
    )
    if policy.metric is None:
        head = "it is the knee: it lies furthest beyond the straight line between the front's ends"
        if merit <= 0 and n_eligible > 1:
            head = (
                "no point lies beyond the straight line between the front's ends, so the end that is best by the first objective is taken"
            )
    else:
        best = "highest" if METRICS[policy.metric].direction == "maximize" else "lowest"
        head = f"it has the {best} {policy.metric}, {member.values[policy.metric]:.4g},"
    return f"{label(member.result.config)} at threshold {member.point.at} is chosen by `{policy}`: {head}{kept}."


def _why_lost(
    other: FrontMember,
    chosen: FrontMember,
    policy: Policy,
    limits: Sequence[Constraint],
    baselines: Baselines,
    merits: dict[str, float],
) -> str:
    broken = [limit for limit in limits if not keeps(other, limit, baselines)]
    if broken:
        return "; ".join(_breaks(other, limit, baselines) for limit in broken)
    if policy.metric is None:
        bulge = merits.get(other.name, -np.inf)
        return f"less of a knee: {bulge:.3f} beyond the line, the chosen one {merits[chosen.name]:.3f}"
    mine, theirs = other.values.get(policy.metric), chosen.values[policy.metric]
    if mine is None:
        return f"{policy.metric} was not measured"
    if mine == theirs:
        return f"equal in {policy.metric}; the chosen one comes first by the objectives"
    word = "below" if mine < theirs else "above"
    return f"{policy.metric} {mine:.4g} is {abs(mine - theirs):.2g} {word} the chosen one's"


def _breaks(member: FrontMember, limit: Constraint, baselines: Baselines) -> str:
    if limit.metric not in member.values:
        return f"{limit.metric} was not measured, so `{limit}` cannot be judged"
    how = f", judged {how_sure(member, limit, baselines)}" if limit.surely else ""
    return f"breaks `{limit}`: {member.values[limit.metric]:.4g} is {excess(member, limit, baselines):.2g} beyond it{how}"


def _caveats(
    member: FrontMember,
    baseline: FrontMember | None,
    difference: PairedDifference | None,
    limits: Sequence[Constraint],
    baselines: Baselines,
    n_candidates: int,
) -> tuple[str, ...]:
    told = []
    over_seeds = member.over_seeds("score")
    if over_seeds is not None:
        told.append(
            f"Its figures are means over {over_seeds.n_seeds} training seeds: score {over_seeds.value:.3f} (95% interval "
            f"{over_seeds.low:.3f} to {over_seeds.high:.3f}, over seeds on the same examples). The trial to ship is the one nearest them."
        )
    if difference is not None:
        told.append(
            f"On the {difference.n_examples} validation examples the chosen one scores {difference.value:+.3f} beside the baseline "
            f"(95% interval {difference.low:+.3f} to {difference.high:+.3f}, {difference.how})."
        )
        for limit in limits:
            relative = limit.metric == "score" and limit.relation == ">=" and limit.bound.baseline == "peft"
            if relative and not limit.surely and difference.low < limit.bound.value:
                told.append(f"The interval reaches below `{limit}`: these examples cannot tell for certain that the limit is kept.")
    elif baseline is not None and baseline.name != member.name:
        told.append("The chosen one and the baseline cannot be paired by example, so their difference has no interval.")
    told += [f"`{limit}` was judged {how_sure(member, limit, baselines)}." for limit in limits if limit.surely]
    if n_candidates > 1:
        told.append(
            f"It was picked from {n_candidates} measured points on the same examples, so its validation score flatters it; "
            "the test measurement does not."
        )
    return tuple(told)


def _why_none(pool: Sequence[FrontMember], limits: Sequence[Constraint], baselines: Baselines, miss: FrontMember | None) -> str:
    if not pool:
        return "Nothing can be chosen: no trial has finished with every objective measured."
    missing = [limit for limit in limits if not judgeable(limit, baselines)]
    if missing:
        name = missing[0].bound.baseline
        return f"Nothing can be chosen: `{missing[0]}` needs baseline({name}), and no trial of that kind has finished."
    out = {limit: sum(not keeps(member, limit, baselines) for member in pool) for limit in limits}
    worst = max(out, key=lambda limit: out[limit])
    told = f"Nothing can be chosen: no measured point keeps every limit. `{worst}` excludes most, {out[worst]} of {len(pool)}."
    if miss is not None:
        broken = "; ".join(_breaks(miss, limit, baselines) for limit in limits if not keeps(miss, limit, baselines))
        told += f" The nearest miss is {label(miss.result.config)} at threshold {miss.point.at}: it {broken}."
    return told


def _nearest_miss(pool: Sequence[FrontMember], limits: Sequence[Constraint], baselines: Baselines) -> FrontMember | None:
    """The point with the smallest sum of excesses, each in units of the metric's spread over the points."""
    if not pool or not all(judgeable(limit, baselines) for limit in limits):
        return None

    def spread(metric: str) -> float:
        seen = [member.values[metric] for member in pool if metric in member.values]
        return (max(seen) - min(seen) if seen else 0.0) or max(map(abs, seen), default=1.0) or 1.0

    spreads = {limit.metric: spread(limit.metric) for limit in limits}
    return min(pool, key=lambda m: sum(max(0.0, excess(m, limit, baselines)) / spreads[limit.metric] for limit in limits))

"""The chain of candidates: what is tested on the selection split, and in which order. It follows
from validation examples alone.
"""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember, trial_ids_of
from deft_sweeps.findings.limit_check import judgeable, keeps, rests_on_proxy
from deft_sweeps.findings.limit_p_value import (
    WHOLE_ROWS,
    Measured,
    SelectionSample,
    judge_limit,
)
from deft_sweeps.findings.pareto_front import counts_saturation
from deft_sweeps.metrics import METRICS, SCORE, Metric
from deft_sweeps.objective import Constraint, Policy, parse_constraint
from deft_sweeps.result import Candidate, Chain
from deft_sweeps.result.certificate_chain import alpha_after

FIRST_SHARE, STEP_SHARE = 0.1, 0.2
"""A candidate enters the chain if it takes at least this share of the way from the candidate before
it to the best possible value: each step costs a chance of failing. The first one after the baseline
may be nearer, since it is what a run falls back to. `benchmarks/README.md` has what was tried."""

MAX_CANDIDATES = 12
"""Each takes seconds to minutes."""


def make_chain(
    pool: Sequence[FrontMember],
    baselines: Baselines,
    policy: Policy,
    limits: Sequence[Constraint],
    *,
    n_examples: int,
    alpha: float,
    n_looks: int = 0,
    sample: SelectionSample = WHOLE_ROWS,
    selection_fingerprint: str = "",
    runtime: str = "",
) -> Chain:
    """Order the candidates by what validation examples say of them.

    The chain begins with the baseline's own weights, if they keep every limit on validation
    examples. Then come points of rising p-value, each better by the policy's metric than all before
    it by at least FIRST_SHARE or STEP_SHARE. Points that break a limit on validation examples are
    left out; limits on a metric of which only a proxy was measured are not judged here. Of points
    whose zeros are float saturation only the baseline is a candidate, unless the policy's metric
    counts no zeros.

    Args:
        pool: measured points, pooled over seeds.
        baselines: that limits name.
        policy: to choose by; a knee is ordered by the first objective that is no score.
        limits: of the sweep and of the policy.
        n_examples: of the selection split.
        alpha: of the certificate.
        n_looks: see `Chain`.
        sample: what is known of the selection examples before any is answered.
        selection_fingerprint: see `Chain`.
        runtime: see `Chain`.
    """
    limits = tuple(dict.fromkeys(limit.bare for limit in limits))
    metric = _ordering_metric(policy, pool)
    fixed = {name: _fixed(member) for name, member in baselines.items()}
    chain = Chain(
        alpha=alpha_after(n_looks, alpha),
        policy=str(policy),
        limits=tuple(map(str, limits)),
        metric=metric,
        baselines={name: _candidate(member, metric, 0.0) for name, member in fixed.items()},
        n_examples=n_examples,
        dataset_fingerprint=_fingerprint(pool),
        n_trials=len(trial_ids_of(pool)),
        n_looks=n_looks,
        groups=tuple(int(group) for group in sample.groups),
        fewest_of_a_class=sample.fewest_of_a_class,
        selection_fingerprint=selection_fingerprint,
        runtime=runtime,
    )
    if not all(judgeable(limit, baselines) for limit in limits):
        return chain
    references = {name: Measured(m.point, m.result.cost) for name, m in fixed.items()}
    saturated = {member.name for member in pool if counts_saturation(member, (metric,))}
    candidates = [
        _candidate(member, metric, _p_validation(_fixed(member), limits, references))
        for member in pool
        if metric in member.values and _keeps_all(member, limits, baselines)
    ]
    return replace(chain, candidates=_safest_first(candidates, chain, saturated))


def _keeps_all(member: FrontMember, limits: Sequence[Constraint], baselines: Baselines) -> bool:
    return all(keeps(member, limit, baselines) for limit in _judged(limits, member))


def _p_validation(
    member: FrontMember,
    limits: Sequence[Constraint],
    references: Mapping[BaselineName, Measured],
) -> float:
    measured = Measured(member.point, member.result.cost)
    tests = (
        judge_limit(limit, measured, references, WHOLE_ROWS) for limit in _judged(limits, member)
    )
    return max((test.p for test in tests), default=0.0)


def _judged(limits: Sequence[Constraint], member: FrontMember) -> list[Constraint]:
    """The limits that the member's measurements can judge: a proxy judges none."""
    return [limit for limit in limits if not rests_on_proxy(member, limit.metric)]


def _ordering_metric(policy: Policy, pool: Sequence[FrontMember]) -> str:
    if policy.metric is not None:
        return policy.metric
    others = (name for member in pool[:1] for name in member.values if name != SCORE.name)
    return next(others, SCORE.name)


def _fixed(member: FrontMember) -> FrontMember:
    """The weights that stand for a member, without its other seeds."""
    return replace(member, seeds=())


def _candidate(member: FrontMember, metric: str, p: float) -> Candidate:
    return Candidate(
        trial_id=member.result.trial_id,
        threshold=member.point.threshold,
        percentile=member.point.percentile,
        block_thresholds=member.point.block_thresholds,
        p_validation=p,
        value=member.values.get(metric, 0.0),
    )


def _safest_first(
    candidates: Sequence[Candidate], chain: Chain, saturated: Container[str]
) -> tuple[Candidate, ...]:
    metric = METRICS[chain.metric]
    own = {baseline.trial_id for baseline in chain.baselines.values()}
    ordered = sorted(
        (one for one in candidates if one.name not in saturated),
        # Of equally safe ones the smallest step comes first.
        key=lambda one: (one.p_validation, one.trial_id not in own, -metric.sign * one.value),
    )
    feasible = {one.name for one in candidates}
    named = [parse_constraint(text).bound.baseline for text in chain.limits]
    leading = (chain.baselines.get(name) for name in (*named, "peft") if name is not None)
    chosen = [one for one in leading if one is not None and one.name in feasible][:1]
    for one in ordered:
        share = FIRST_SHARE if len(chosen) == 1 else STEP_SHARE
        if not chosen or _is_step(metric, chosen[-1].value, one.value, share):
            chosen.append(one)
    return tuple(chosen[:MAX_CANDIDATES])


def _is_step(metric: Metric, before: float, value: float, share: float) -> bool:
    """Whether `value` takes at least a share of the way from `before` to the best possible value,
    or to 0 if the metric has no best possible one.
    """
    gain = metric.sign * (before - value)
    low, high = metric.possible(None)
    ideal = low if metric.direction == "minimize" else high
    way = ideal - before if math.isfinite(ideal) else value
    return gain > 0 and gain >= share * abs(way)


def _fingerprint(pool: Sequence[FrontMember]) -> str:
    seen = (m.result.provenance.dataset_fingerprint for m in pool if m.result.provenance)
    return next(seen, "")

"""The certified choice: a fixed sequence of candidates, each tested on examples that neither the
search nor the order of the sequence has seen.

Pareto testing (Laufer-Goldshtein et al., ICLR 2023), a form of learn-then-test (Angelopoulos et
al., 2021). The chain of candidates is written down first. Then each is measured on all selection
examples, in order; it is certified if the largest p-value over its limits is at most alpha. The
first failure ends the walk. Since a candidate is tested only if all before it have passed, the
probability that any certified one breaks a limit in truth is no larger than the error rate of one
test, without a correction for their number: at most alpha for an exact test, about alpha for the
others.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.limit_check import judgeable, keeps
from deft_sweeps.findings.limit_p_value import (
    WHOLE_ROWS,
    LimitTest,
    Measured,
    SelectionSample,
    judge_limit,
)
from deft_sweeps.metrics import METRICS, SCORE
from deft_sweeps.objective import Constraint, Policy, parse_constraint
from deft_sweeps.result import Candidate, Chain, FinalMeasurement
from deft_sweeps.statistics.margin_p_value import fixed_sequence

STEP_SHARE = 0.1
"""A candidate enters the chain if it takes at least this share of the way from the candidate before
it to the best possible value: each step costs a chance of failing."""

MAX_CANDIDATES = 12
"""Each is measured alone, in seconds to minutes."""


@dataclass(frozen=True, slots=True)
class Step:
    """A candidate that was tested.

    Attributes:
        tests: one a limit, in the chain's order.
        certified: it keeps every limit, and so did all before it.
    """

    candidate: Candidate
    measurement: FinalMeasurement
    tests: tuple[LimitTest, ...]
    certified: bool

    @property
    def p(self) -> float:
        """The largest p-value over its limits; 0 without any."""
        return max((test.p for test in self.tests), default=0.0)


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far the walk along a chain has come.

    Attributes:
        steps: the candidates that were tested, in order; only the last may have failed.
        missing: the candidate or the baseline to measure next; None at the end of the walk.
    """

    chain: Chain
    steps: tuple[Step, ...]
    missing: Candidate | None

    @property
    def certified(self) -> tuple[Step, ...]:
        """Those that passed."""
        return tuple(step for step in self.steps if step.certified)

    @property
    def failed(self) -> Step | None:
        """The candidate that ended the walk; None if all passed."""
        return next((step for step in self.steps if not step.certified), None)

    def step_of(self, member: FrontMember) -> Step | None:
        """The certified step of just these weights at this threshold; None if they have none."""
        return next((step for step in self.certified if step.candidate.name == member.name), None)

    def weights_of(self, pool: Iterable[FrontMember]) -> list[FrontMember]:
        """The certified weights among measured points: each training by itself, since the means
        over seeds have no certificate.
        """
        single = (one for member in pool for one in (member.seeds or (member,)))
        return [one for one in single if self.step_of(one) is not None]

    def baselines_among(self, pool: Iterable[FrontMember]) -> Baselines:
        """The fixed weights that the limits were tested beside, as far as the pool has them."""
        single = {one.name: one for member in pool for one in (member.seeds or (member,))}
        fixed = self.chain.baselines.items()
        return {name: single[one.name] for name, one in fixed if one.name in single}


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
) -> Chain:
    """Order the candidates by what validation examples say of them.

    The chain begins with the baseline's own weights, if they keep every limit on validation
    examples. Then come points of rising p-value, each better by the policy's metric than all before
    it by at least STEP_SHARE. Points that break a limit on validation examples are left out; limits
    on a metric of which only a proxy was measured are not judged here.

    Args:
        pool: measured points, pooled over seeds.
        baselines: that limits name.
        policy: to choose by; a knee is ordered by the first objective that is no score.
        limits: of the sweep and of the policy.
        n_examples: of the selection split.
        alpha: of the certificate.
        n_looks: see `Chain`; each halves alpha.
        sample: what is known of the selection examples before any is answered.
        selection_fingerprint: see `Chain`.
    """
    limits = tuple(dict.fromkeys(limit.bare for limit in limits))
    metric = _ordering_metric(policy, pool)
    fixed = {name: _fixed(member) for name, member in baselines.items()}
    chain = Chain(
        alpha=alpha / 2**n_looks,
        policy=str(policy),
        limits=tuple(map(str, limits)),
        metric=metric,
        baselines={name: _candidate(member, metric, 0.0) for name, member in fixed.items()},
        n_examples=n_examples,
        dataset_fingerprint=_fingerprint(pool),
        n_trials=len({one.result.trial_id for m in pool for one in (m, *m.seeds)}),
        n_looks=n_looks,
        groups=tuple(int(group) for group in sample.groups),
        fewest_of_a_class=sample.fewest_of_a_class,
        selection_fingerprint=selection_fingerprint,
    )
    if not all(judgeable(limit, baselines) for limit in limits):
        return chain
    references = {name: Measured(m.point, m.result.cost) for name, m in fixed.items()}
    candidates = [
        _candidate(member, metric, _p_validation(_fixed(member), limits, references))
        for member in pool
        if metric in member.values and _keeps_all(member, limits, baselines)
    ]
    return replace(chain, candidates=_safest_first(candidates, chain))


def walk(chain: Chain, measurements: Mapping[str, FinalMeasurement]) -> Certificate:
    """Test the candidates in the chain's order, as far as they were measured.

    Args:
        chain: written before any of the measurements was taken.
        measurements: on the selection split, by the candidate's name.
    """
    limits = [parse_constraint(text) for text in chain.limits]
    named = {limit.bound.baseline for limit in limits}
    references: dict[BaselineName, Measured] = {}
    for name, baseline in chain.baselines.items():
        if name not in named:
            continue
        if baseline.name not in measurements:
            return Certificate(chain, (), baseline)
        reference = measurements[baseline.name]
        references[name] = Measured(reference.point, reference.cost)
    available = takewhile(lambda one: one.name in measurements, chain.candidates)
    sample = SelectionSample(np.array(chain.groups, dtype=np.int64), chain.fewest_of_a_class)
    tested = [_test(one, measurements[one.name], limits, references, sample) for one in available]
    passed = list(fixed_sequence((step.p for step in tested), chain.alpha))
    steps = tuple(replace(step, certified=ok) for step, ok in zip(tested, passed, strict=False))
    is_over = len(steps) == len(chain.candidates) or not all(passed)
    return Certificate(chain, steps, None if is_over else chain.candidates[len(steps)])


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
    cost = member.result.cost
    is_proxy = cost is None or cost.label == "proxy"
    return [limit for limit in limits if not (is_proxy and limit.rests_on_proxy)]


def _test(
    candidate: Candidate,
    measurement: FinalMeasurement,
    limits: Sequence[Constraint],
    references: Mapping[BaselineName, Measured],
    sample: SelectionSample,
) -> Step:
    measured = Measured(measurement.point, measurement.cost)
    tests = tuple(judge_limit(limit, measured, references, sample) for limit in limits)
    return Step(candidate, measurement, tests, certified=False)


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


def _safest_first(candidates: Sequence[Candidate], chain: Chain) -> tuple[Candidate, ...]:
    metric = METRICS[chain.metric]
    low, high = metric.possible(None)
    ideal = low if metric.direction == "minimize" else high
    own = {baseline.trial_id for baseline in chain.baselines.values()}
    ordered = sorted(
        candidates,
        # Of equally safe ones the smallest step comes first.
        key=lambda one: (one.p_validation, one.trial_id not in own, -metric.sign * one.value),
    )
    feasible = {one.name for one in candidates}
    named = [parse_constraint(text).bound.baseline for text in chain.limits]
    leading = (chain.baselines.get(name) for name in (*named, "peft") if name is not None)
    chosen = [one for one in leading if one is not None and one.name in feasible][:1]
    for one in ordered:
        gain = math.inf if not chosen else metric.sign * (chosen[-1].value - one.value)
        way = abs(chosen[-1].value - ideal) if chosen and math.isfinite(ideal) else math.inf
        least = STEP_SHARE * (way if math.isfinite(way) else abs(one.value))
        if gain > 0 and gain >= least:
            chosen.append(one)
    return tuple(chosen[:MAX_CANDIDATES])


def _fingerprint(pool: Sequence[FrontMember]) -> str:
    seen = (m.result.provenance.dataset_fingerprint for m in pool if m.result.provenance)
    return next(seen, "")

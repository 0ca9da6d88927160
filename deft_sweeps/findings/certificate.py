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
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember, trial_ids_of
from deft_sweeps.findings.limit_check import judgeable, keeps, rests_on_proxy
from deft_sweeps.findings.limit_p_value import (
    WHOLE_ROWS,
    LimitTest,
    Measured,
    SelectionSample,
    judge_limit,
)
from deft_sweeps.findings.pareto_front import counts_saturation
from deft_sweeps.metrics import METRICS, SCORE, Metric
from deft_sweeps.objective import Constraint, Policy, parse_constraint
from deft_sweeps.result import Candidate, Chain, FinalMeasurement
from deft_sweeps.result.certificate_chain import alpha_after
from deft_sweeps.statistics.margin_p_value import fixed_sequence

FIRST_SHARE, STEP_SHARE = 0.1, 0.2
"""A candidate enters the chain if it takes at least this share of the way from the candidate before
it to the best possible value: each step costs a chance of failing. The first one after the baseline
may be nearer, since it is what a run falls back to. `benchmarks/README.md` has what was tried."""

MAX_CANDIDATES = 12
"""Each is measured alone, in seconds to minutes."""


@dataclass(frozen=True, slots=True)
class Step:
    """A candidate that was tested.

    Attributes:
        tests: one a limit, in the chain's order.
        certified: it keeps every limit, and so did all before it.
        n_finalists: of the simultaneous bounds that it was tested by; 0 on the walk.
    """

    candidate: Candidate
    measurement: FinalMeasurement
    tests: tuple[LimitTest, ...]
    certified: bool
    n_finalists: int = 0

    @property
    def p(self) -> float:
        """The largest p-value over its limits; 0 without any."""
        return max((test.p for test in self.tests), default=0.0)

    @property
    def worst(self) -> LimitTest:
        """The test with the largest p-value.

        Raises:
            ValueError: it was tested for no limit.
        """
        return max(self.tests, key=lambda test: test.p)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the selection split says of some limits.

    Attributes:
        steps: the candidates that were tested, in order. On the walk only the last may have
            failed; by simultaneous bounds any may.
        missing: the candidate or the baseline to measure next; None at the end of the walk.
        limits: that were tested, without `surely`.
        level: a p-value of at most this certifies.
        measurements: on the selection split, by the candidate's name.
        n_finalists: of the simultaneous bounds; 0 for the walk along the chain.
    """

    chain: Chain
    steps: tuple[Step, ...]
    missing: Candidate | None
    limits: tuple[Constraint, ...]
    level: float
    measurements: Mapping[str, FinalMeasurement]
    n_finalists: int = 0

    def covers(self, limits: Iterable[Constraint]) -> bool:
        """Whether all of these limits were tested."""
        return {limit.bare for limit in limits} <= set(self.limits)

    @property
    def certified(self) -> tuple[Step, ...]:
        """Those that passed."""
        return tuple(step for step in self.steps if step.certified)

    @property
    def failed(self) -> Step | None:
        """The candidate that ended the walk; None if all passed, or if there was no walk."""
        if self.n_finalists:
            return None
        return next((step for step in self.steps if not step.certified), None)

    def step_of(self, member: FrontMember) -> Step | None:
        """The certified step of just these weights at this threshold; None if they have none."""
        return next((step for step in self.certified if step.candidate.name == member.name), None)

    def weights_of(self, pool: Iterable[FrontMember]) -> list[FrontMember]:
        """The certified weights among measured points: each training by itself, since the means
        over seeds have no certificate.
        """
        single = (one for member in pool for one in member.trainings)
        return [one for one in single if self.step_of(one) is not None]

    def baselines_among(self, pool: Iterable[FrontMember]) -> Baselines:
        """The fixed weights that the limits were tested beside, as far as the pool has them."""
        single = {one.name: one for member in pool for one in member.trainings}
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


def walk(chain: Chain, measurements: Mapping[str, FinalMeasurement]) -> Certificate:
    """Test the candidates in the chain's order, as far as they were measured.

    Args:
        chain: written before any of the measurements was taken.
        measurements: on the selection split, by the candidate's name.
    """
    limits = tuple(parse_constraint(text) for text in chain.limits)
    whole = Certificate(chain, (), None, limits, chain.alpha, measurements)
    for baseline in _named_baselines(chain, limits).values():
        if baseline.name not in measurements:
            return replace(whole, missing=baseline)
    available = takewhile(lambda one: one.name in measurements, chain.candidates)
    tested = tested_steps(chain, available, measurements, limits)
    passed = list(fixed_sequence((step.p for step in tested), chain.alpha))
    steps = tuple(replace(step, certified=ok) for step, ok in zip(tested, passed, strict=False))
    is_over = len(steps) == len(chain.candidates) or not all(passed)
    return replace(whole, steps=steps, missing=None if is_over else chain.candidates[len(steps)])


def tested_steps(
    chain: Chain,
    candidates: Iterable[Candidate],
    measurements: Mapping[str, FinalMeasurement],
    limits: Sequence[Constraint],
) -> list[Step]:
    """The tests of measured candidates, none of them certified yet.

    Args:
        chain: whose baselines the limits compare with.
        candidates: each of them measured.
        measurements: on the selection split, by the candidate's name.
        limits: without `surely`.
    """
    references = {
        name: Measured(measurements[one.name].point, measurements[one.name].cost)
        for name, one in _named_baselines(chain, limits).items()
        if one.name in measurements
    }
    sample = SelectionSample(np.array(chain.groups, dtype=np.int64), chain.fewest_of_a_class)
    return [_test(one, measurements[one.name], limits, references, sample) for one in candidates]


def _named_baselines(chain: Chain, limits: Sequence[Constraint]) -> dict[BaselineName, Candidate]:
    named = {limit.bound.baseline for limit in limits}
    return {name: one for name, one in chain.baselines.items() if name in named}


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

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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.limit_p_value import (
    LimitTest,
    Measured,
    SelectionSample,
    judge_limit,
)
from deft_sweeps.objective import Constraint, parse_constraint
from deft_sweeps.result import Candidate, Chain, FinalMeasurement
from deft_sweeps.statistics.margin_p_value import fixed_sequence


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

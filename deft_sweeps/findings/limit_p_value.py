"""Whether measured weights keep a limit, as a p-value: of the hypothesis that they do not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.metrics import LATENCY_SEC, METRICS, SCORE, measured
from deft_sweeps.objective import Constraint
from deft_sweeps.result import Cost, Point
from deft_sweeps.statistics.correlation_p_value import CORRELATIONS, correlation_p
from deft_sweeps.statistics.margin_p_value import (
    absolute_score_p,
    grouped_p,
    is_right_or_wrong,
    mean_p,
    paired_mean_p,
    paired_score_p,
)
from deft_sweeps.statistics.metric_p_value import metric_p

EXACT = "compared exactly"
PAIRED_TEST = "score test of the paired difference"
BINOMIAL_TEST = "exact binomial test"
BOOTSTRAP_TEST = "studentised bootstrap of the examples"
GROUP_TEST = "studentised bootstrap of the groups"
METRIC_TEST = "studentised bootstrap of the metric over the examples"
CORRELATION_TEST = "studentised bootstrap of the correlation over the examples"
NO_TEST = "no test for this metric on these examples"
FEWEST_OF_A_CLASS = 10
"""Selection examples that each class needs for metrics that average over classes."""
UPPER_BOUND = "by the upper end of the 95% interval of the passes, alone"


@dataclass(frozen=True, slots=True)
class SelectionSample:
    """What is known of selection examples before any is answered.

    Attributes:
        groups: of each example, numbered from 0, shape (n,); empty if examples are independent.
        fewest_of_a_class: examples of the rarest class; None for tasks without classes.
    """

    groups: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    fewest_of_a_class: int | None = None


WHOLE_ROWS = SelectionSample()


@dataclass(frozen=True, slots=True)
class Measured:
    """A point and what its trial costs, of the same measurement."""

    point: Point
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class LimitTest:
    """What a measurement says of one limit.

    Attributes:
        p: p-value of "the limit is broken"; 0 or 1 if the values are compared exactly.
        margin: how far the value is on the right side, in the metric's unit; below 0 it is broken
            by value. None if the metric or the baseline was not measured.
        how: which test it was, in words.
    """

    limit: Constraint
    p: float
    margin: float | None
    how: str


def judge_limit(
    limit: Constraint,
    candidate: Measured,
    baselines: Mapping[BaselineName, Measured],
    sample: SelectionSample,
) -> LimitTest:
    """What the measurement says of one limit.

    A limit on the score is tested on the examples. The baseline beside itself needs no test: the
    difference is 0. Other metrics are compared by value, and latency by its upper bound.

    Args:
        limit: of the sweep or the policy.
        candidate: on the selection or the validation split.
        baselines: on the same examples, as far as limits name them.
        sample: what is known of the examples themselves.
    """
    value = _value(candidate, limit.metric, upper=True)
    name = limit.bound.baseline
    other = None if name is None else baselines.get(name)
    if value is None or (name is not None and other is None):
        return LimitTest(limit, 1.0, None, "not measured")
    base = None if other is None else _value(other, limit.metric)
    violation = limit.violation(value, base)
    if limit.metric == SCORE.name and not (other is not None and other.point == candidate.point):
        other_point = None if other is None else other.point
        p, how = _score_test(limit, candidate.point, other_point, sample)
        return LimitTest(limit, p, -violation, how)
    how = UPPER_BOUND if limit.metric == LATENCY_SEC.name else EXACT
    forgiven = 1e-12 * max(1.0, abs(value))
    is_kept = violation < -forgiven if limit.strict else violation <= forgiven
    return LimitTest(limit, 0.0 if is_kept else 1.0, -violation, how)


def _metric_test(
    limit: Constraint, point: Point, base: Point | None, sample: SelectionSample
) -> tuple[float, str]:
    """The p-value and the name of the test of a score that is no mean over examples.

    Rows that share groups have no test. Nor have classes of a few examples, whose errors a resample
    seldom shows.
    """
    fewest = sample.fewest_of_a_class
    if len(sample.groups) or (fewest is not None and fewest < FEWEST_OF_A_CLASS):
        return 1.0, NO_TEST
    sign = 1.0 if limit.relation == ">=" else -1.0
    terms = [(sign, point.outcomes)] + ([(-sign, base.outcomes)] if base is not None else [])
    whole = [(weight, outcomes) for weight, outcomes in terms if outcomes is not None]
    if len(whole) < len(terms):
        return 1.0, NO_TEST
    metric, bound = point.score.metric, sign * limit.bound.value
    if metric in CORRELATIONS:
        p, how = correlation_p(metric, whole, bound), CORRELATION_TEST
    else:
        p, how = metric_p(metric, whole, bound), METRIC_TEST
    return (1.0, NO_TEST) if p is None else (p, how)


def _value(of: Measured, metric: str, *, upper: bool = False) -> float | None:
    if METRICS[metric].rests_on_proxy(of.cost):
        return None
    if upper and metric == LATENCY_SEC.name and of.cost is not None:
        return of.cost.latency_high_sec or of.cost.latency_sec
    return measured(of.point, of.cost).get(metric)


def _score_test(
    limit: Constraint, point: Point, base: Point | None, sample: SelectionSample
) -> tuple[float, str]:
    groups = sample.groups
    scores = point.example_scores.array()
    if len(scores) == 0:
        return _metric_test(limit, point, base, sample)
    # "At most" a score is "at least" its mirror image.
    mirrored = limit.relation == "<="
    scores = 1 - scores if mirrored else scores
    bound = -limit.bound.value if mirrored else limit.bound.value
    if base is None:
        bound = 1 + bound if mirrored else bound
        if len(groups):
            return grouped_p(scores, groups, bound, worst=0.0), GROUP_TEST
        if is_right_or_wrong(scores):
            return absolute_score_p(scores, bound), BINOMIAL_TEST
        return mean_p(scores, bound), BOOTSTRAP_TEST
    others = base.example_scores.array()
    if len(others) != len(scores):
        return 1.0, NO_TEST
    others = 1 - others if mirrored else others
    if len(groups):
        return grouped_p(scores - others, groups, bound, worst=-1.0), GROUP_TEST
    if is_right_or_wrong(np.concatenate([scores, others])):
        return paired_score_p(scores, others, -bound), PAIRED_TEST
    return paired_mean_p(scores, others, -bound), BOOTSTRAP_TEST

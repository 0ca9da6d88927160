"""What moving a limit would buy: the nearest better point that the limit alone excludes.

Read off measured points, so it says what to ask of another sweep and certifies nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from deft_sweeps.findings.certificate import Certificate, Step, tested_steps
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.limit_check import awaits_cost, excess, judgeable, keeps
from deft_sweeps.metrics import METRICS
from deft_sweeps.objective import Constraint

N_BISECTIONS = 14
"""Of a bound within 1: to a ten-thousandth."""


@dataclass(frozen=True, slots=True)
class LimitPrice:
    """How far a limit would have to move, and what that would buy.

    Attributes:
        limit: as it stands.
        move: of its bound, in the metric's unit, > 0, whichever way relaxes it.
        metric: that the policy is best at.
        gain: how much better the point is in it than the chosen one, in its unit, > 0.
        name: of the point, `<trial_id>@<threshold>`.
        split: that the price was read off: the values on `validation` examples, or the test on
            `selection` examples of the candidate that ended the walk.
    """

    limit: Constraint
    move: float
    metric: str
    gain: float
    name: str
    split: Literal["validation", "selection"]


def limit_prices(choice: Choice, certificate: Certificate | None) -> tuple[LimitPrice, ...]:
    """The price of each limit that alone excludes a better point.

    By the values: of the points that keep every other limit and are better than the chosen one in
    the policy's metric, the one that the limit has to move least for. Beside it the candidate that
    ended the walk, if it failed one limit alone: the bound at which its p-value would be alpha.

    Args:
        choice: with a member and a policy that names a metric; otherwise there are no prices.
        certificate: that the choice rests on; None if it has none.
    """
    if choice.member is None or choice.policy.metric is None:
        return ()
    prices = [_by_values(choice, choice.member, limit) for limit in choice.limits]
    if certificate is not None and choice.needs_certificate:
        prices.append(_by_test(choice, choice.member, certificate))
    return tuple(price for price in prices if price is not None)


def _by_values(choice: Choice, chosen: FrontMember, limit: Constraint) -> LimitPrice | None:
    if not judgeable(limit, choice.baselines):
        return None
    others = [other for other in choice.limits if other != limit]
    excluded = [
        (excess(member, limit, choice.baselines), member)
        for member in choice.pool
        if _gain(choice, member.values, chosen) > 0
        and limit.metric in member.values
        and not awaits_cost(member, limit, choice.baselines)
        and not keeps(member, limit, choice.baselines)
        and _keeps_all(member, others, choice)
    ]
    if not excluded:
        return None
    move, member = min(excluded, key=lambda pair: (pair[0], pair[1].name))
    return _price(choice, chosen, limit, move, member.values, member.name)


def _keeps_all(member: FrontMember, limits: Sequence[Constraint], choice: Choice) -> bool:
    return all(
        not awaits_cost(member, limit, choice.baselines) and keeps(member, limit, choice.baselines)
        for limit in limits
    )


def _by_test(choice: Choice, chosen: FrontMember, certificate: Certificate) -> LimitPrice | None:
    step = certificate.failed
    if step is None:
        return None
    alpha = certificate.chain.alpha
    failed = [test.limit for test in step.tests if test.p > alpha]
    values = {certificate.chain.metric: step.candidate.value}
    if len(failed) != 1 or _gain(choice, values, chosen) <= 0:
        return None
    move = _move_to_pass(step, failed[0], certificate)
    if move is None:
        return None
    return replace(
        _price(choice, chosen, failed[0], move, values, step.candidate.name), split="selection"
    )


def _move_to_pass(step: Step, limit: Constraint, certificate: Certificate) -> float | None:
    """The smallest move of the bound at which the candidate passes; None within a unit of the
    score's range there is none.
    """
    chain, measurements = certificate.chain, certificate.measurements

    def passes(move: float) -> bool:
        (again,) = tested_steps(chain, [step.candidate], measurements, [moved(limit, move)])
        return again.p <= chain.alpha

    low, high = 0.0, max(1.0, abs(limit.bound.value))
    if not passes(high):
        return None
    for _ in range(N_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def moved(limit: Constraint, move: float) -> Constraint:
    """The limit with its bound relaxed by `move`, in the metric's unit, >= 0."""
    sign = 1.0 if limit.relation == "<=" else -1.0
    bound = replace(limit.bound, value=limit.bound.value + sign * move, written="")
    return replace(limit, bound=bound)


def _gain(choice: Choice, values: Mapping[str, float], chosen: FrontMember) -> float:
    name = choice.policy.metric
    if name is None or name not in values:
        return 0.0
    return METRICS[name].sign * (chosen.values[name] - values[name])


def _price(
    choice: Choice,
    chosen: FrontMember,
    limit: Constraint,
    move: float,
    values: Mapping[str, float],
    name: str,
) -> LimitPrice:
    gain = _gain(choice, values, chosen)
    return LimitPrice(limit, move, choice.policy.metric or "", gain, name, "validation")

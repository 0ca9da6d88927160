"""Whether the test split confirms the choice: every limit is judged again on the test measurements.

A limit is judged there by the rule that chose: by the value, and with `surely` by the near end of
the 95 % interval. Costs are those taken alone in a fresh process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deft_sweeps.choice import Choice
from deft_sweeps.front import FrontMember
from deft_sweeps.front.pareto import Baselines, excess, how_sure, judgeable, keeps
from deft_sweeps.objective import BaselineName, Constraint
from deft_sweeps.result import FinalMeasurement


@dataclass(frozen=True, slots=True)
class Broken:
    """A limit that does not hold on the test split.

    Attributes:
        why: by how much, a clause.
    """

    limit: Constraint
    why: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the test split says of the limits that the choice was made under.

    Attributes:
        broken: limits that do not hold there; none confirms the choice.
        unjudged: limits whose metric or baseline was not measured there.
    """

    broken: tuple[Broken, ...] = ()
    unjudged: tuple[Constraint, ...] = ()


def confirm(choice: Choice, limits: Sequence[Constraint], finals: Sequence[FinalMeasurement]) -> Confirmation:
    """Judge the limits of the sweep and of the policy on the test split.

    Args:
        choice: made on validation examples.
        limits: of the sweep; the policy's own come on top.
        finals: measurements of this choice, as `answer.finals_of` returns; none confirms nothing.
    """
    final = next((final for final in finals if final.role == "chosen"), None)
    if final is None or choice.member is None:
        return Confirmation()
    member = _tested(choice.member, final)
    baselines = _tested_baselines(choice, finals)
    broken, unjudged = [], []
    for limit in dict.fromkeys((*limits, *choice.policy.where)):
        if limit.metric not in member.values or not judgeable(limit, baselines):
            unjudged.append(limit)
        elif not keeps(member, limit, baselines):
            broken.append(Broken(limit, _why(member, limit, baselines)))
    return Confirmation(tuple(broken), tuple(unjudged))


def _tested(member: FrontMember, final: FinalMeasurement) -> FrontMember:
    """The member as it was measured on the test split."""
    result = replace(member.result, points=(final.point,), cost=final.cost, provenance=final.provenance, rungs=())
    return FrontMember(result, final.point, result.metrics(final.point))


def _tested_baselines(choice: Choice, finals: Sequence[FinalMeasurement]) -> Baselines:
    """The baselines that were measured on the test split, in whatever role."""
    tested: dict[BaselineName, FrontMember] = {}
    for name, member in choice.baselines.items():
        for final in finals:
            if (final.trial_id, final.point.at) == (member.result.trial_id, member.point.at):
                tested[name] = _tested(member, final)
    return tested


def _why(member: FrontMember, limit: Constraint, baselines: Baselines) -> str:
    value, beyond = member.values[limit.metric], excess(member, limit, baselines)
    how = f", judged {how_sure(member, limit, baselines)}" if limit.surely else ""
    return f"it breaks `{limit}` there: {limit.metric} {value:.4g} is {beyond:.2g} beyond it{how}"

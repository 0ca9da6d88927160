"""Whether the test split confirms the choice: every limit is judged again on the test measurements.

A limit is judged there by the rule that chose: by the value, and with `surely` by the near end of
the 95 % interval. Of a certified configuration the test split has to speak against a limit on the
score: the whole 95 % interval lies beyond it. Costs are those taken alone in a fresh process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deft_sweeps.config.baseline_kind import BaselineName
from deft_sweeps.findings.baseline import Baselines
from deft_sweeps.findings.choice import Choice
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.findings.limit_check import judgeable, keeps, surely_broken
from deft_sweeps.metrics import measured
from deft_sweeps.objective import Constraint
from deft_sweeps.result import CompleteTrial, FinalMeasurement


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the test split says of the limits that the choice was made under.

    Attributes:
        member: the chosen one with the values of the test split; None if they were not measured.
        baselines: those that were measured on the test split, in whatever role.
        broken: limits that do not hold there; an empty tuple confirms the choice.
        unjudged: limits whose metric or baseline was not measured there.
        within_chance: limits of a certified configuration that its value breaks there, though not
            the whole interval.
    """

    member: FrontMember | None = None
    baselines: Baselines = field(default_factory=dict)
    broken: tuple[Constraint, ...] = ()
    unjudged: tuple[Constraint, ...] = ()
    within_chance: tuple[Constraint, ...] = ()


def confirm(
    choice: Choice, finals: Sequence[FinalMeasurement], *, certified: bool = False
) -> Confirmation:
    """Judge the limits of the sweep and of the policy on the test split.

    Args:
        choice: made on validation or selection examples.
        finals: measurements of this choice; without any, nothing is confirmed or broken.
        certified: the choice has a certificate.
    """
    final = next((final for final in finals if final.role == "chosen"), None)
    if final is None or choice.member is None:
        return Confirmation()
    member = _tested(choice.member, final)
    baselines = _tested_baselines(choice, finals)
    broken: list[Constraint] = []
    unjudged: list[Constraint] = []
    within_chance: list[Constraint] = []
    for limit in choice.limits:
        judged = limit.bare if certified else limit
        if limit.metric not in member.values or not judgeable(limit, baselines):
            unjudged.append(limit)
        elif not keeps(member, judged, baselines):
            by_chance = certified and not surely_broken(member, judged, baselines)
            (within_chance if by_chance else broken).append(limit)
    return Confirmation(member, baselines, tuple(broken), tuple(unjudged), tuple(within_chance))


def _tested(member: FrontMember, final: FinalMeasurement) -> FrontMember:
    """The member as it was measured on the test split."""
    result = CompleteTrial(
        config=member.result.config,
        seed=member.result.seed,
        points=(final.point,),
        cost=final.cost,
        provenance=final.provenance,
    )
    return FrontMember(result, final.point, measured(final.point, final.cost))


def _tested_baselines(choice: Choice, finals: Sequence[FinalMeasurement]) -> Baselines:
    tested: dict[BaselineName, FrontMember] = {}
    for name, member in choice.baselines.items():
        for final in finals:
            same = (member.result.trial_id, member.point.at)
            if (final.trial_id, final.point.at) == same:
                tested[name] = _tested(member, final)
    return tested

"""The points that limits compare with: each named baseline is among the first points, and leads them where the search needs it."""

from collections.abc import Sequence
from dataclasses import dataclass

from deft_sweeps.config.baseline_kind import BASELINES, BaselineName
from deft_sweeps.objective import Constraint
from deft_sweeps.spec.schema import Combination, Start
from deft_sweeps.spec.space import middles

MEMBERS: dict[BaselineName, str] = {
    "peft": "activation pretrained, density none, adaptive none, pruning none and quantization none",
    "dense": "pruning none and adaptive none",
    "unquantized": "quantization none",
}
"""What a space must have for each baseline."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A baseline that the space has no combination for, and the limit that needs it."""

    name: BaselineName
    limit: Constraint

    def __str__(self) -> str:
        return f"`{self.limit}` needs the baseline {self.name}, {BASELINES[self.name]}; the space has no such combination"


def with_baselines(
    first: Sequence[Start], limits: Sequence[Constraint], where: Sequence[Constraint], legal: Sequence[Combination]
) -> tuple[list[Start], list[Lacking]]:
    """`first` with a point of every baseline that a limit names.

    A missing one is put before all others. One that is there stays where it is, unless `limits` name it: those are told to the search,
    which waits for their baselines, so they come first. Limits that rest on a proxy are not told to it.

    Args:
        first: the user's points.
        limits: of the sweep.
        where: of the policy, which only chooses among what was found.
        legal: the space's combinations.
    """
    points, lacking = list(first), []
    for name in BASELINES:
        needs = next((c for c in (*limits, *where) if c.bound.baseline == name), None)
        if needs is None:
            continue
        of_kind = {c.label: c for c in legal if c.template.is_baseline(name)}
        if not of_kind:
            lacking.append(Lacking(name, needs))
            continue
        there = next((start for start in points if start.combination in of_kind), None)
        if there is None:
            # Plain PEFT is every baseline at once.
            combination = next((c for c in of_kind.values() if c.template.is_plain_peft), next(iter(of_kind.values())))
            points.insert(0, Start(combination.label, middles(combination)))
        elif any(c.bound.baseline == name for c in limits if not c.rests_on_proxy):
            points.remove(there)
            points.insert(0, there)
    return points, lacking

"""Adds the baselines that limits compare with to the first points of a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass

from deft_sweeps.config.baseline_kind import BASELINES, BaselineName, baseline_of
from deft_sweeps.objective import Constraint
from deft_sweeps.specification.combination import Combination, Start, middles


@dataclass(frozen=True, slots=True)
class MissingBaseline:
    """A baseline that no combination of the space can be, and the limit that needs it."""

    name: BaselineName
    limit: Constraint

    def __str__(self) -> str:
        needs = f"`{self.limit}` needs the baseline {self.name}, {baseline_of(self.name).meaning}"
        return f"{needs}; the space has no such combination"

    @property
    def members(self) -> str:
        """The members that the space would need."""
        needs = baseline_of(self.name).members.items()
        return " and ".join(f"{axis} {member}" for axis, member in needs)


def with_baselines(
    first: Sequence[Start],
    limits: Sequence[Constraint],
    where: Sequence[Constraint],
    legal: Sequence[Combination],
) -> tuple[list[Start], list[MissingBaseline]]:
    """`first` with a point of every baseline that a limit names.

    A baseline without a point is put before all others. A point that the user named stays in its
    place, unless `limits` need it: the search waits for those, so they come first. The search
    ignores limits that rest on a proxy.

    Args:
        first: the user's points.
        limits: of the sweep.
        where: of the policy, which only chooses among the finished trials.
        legal: the space's combinations.
    """
    points, missing = list(first), []
    needed: dict[BaselineName, Constraint] = {}
    for limit in (*limits, *where):
        if limit.bound.baseline is not None:
            needed.setdefault(limit.bound.baseline, limit)
    kinds = list(BASELINES)
    for name in sorted(needed, key=lambda name: kinds.index(baseline_of(name).kind)):
        candidates = [c for c in legal if c.template.is_baseline(name)]
        if not candidates:
            missing.append(MissingBaseline(name, needed[name]))
            continue
        labels = {combination.label for combination in candidates}
        named = next((point for point in points if point.combination in labels), None)
        if named is None:
            # Plain PEFT serves as every baseline at once.
            plain = (c for c in candidates if c.template.is_plain_peft)
            combination = next(plain, candidates[0])
            points.insert(0, Start(combination.label, middles(combination)))
        elif any(limit.bound.baseline == name for limit in limits if not limit.rests_on_proxy):
            points.remove(named)
            points.insert(0, named)
    return points, missing

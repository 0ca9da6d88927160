"""Adds the baselines that limits compare with to the first points of a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass

from deft_sweeps.config.baseline_kind import BASELINES, BaselineName
from deft_sweeps.objective import Constraint
from deft_sweeps.specification.combination import Combination, Start, middles

_NOT_REDUCED = "adaptive none, pruning none and quantization none"
MEMBERS: dict[BaselineName, str] = {
    "peft": f"activation pretrained, density none, {_NOT_REDUCED}",
    "plain": "density none and adaptive none",
    "dense": "pruning none and adaptive none",
    "unquantized": "quantization none",
}
"""The members that a space needs for each baseline."""


@dataclass(frozen=True, slots=True)
class MissingBaseline:
    """A baseline that no combination of the space can be, and the limit that needs it."""

    name: BaselineName
    limit: Constraint

    def __str__(self) -> str:
        needs = f"`{self.limit}` needs the baseline {self.name}, {BASELINES[self.name]}"
        return f"{needs}; the space has no such combination"


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
    for name in BASELINES:
        needed_by = next((c for c in (*limits, *where) if c.bound.baseline == name), None)
        if needed_by is None:
            continue
        candidates = [c for c in legal if c.template.is_baseline(name)]
        if not candidates:
            missing.append(MissingBaseline(name, needed_by))
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

"""Which sampler a sweep is searched with, and why. Loads no sampler: `plan` shows it too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.objective import Constraint
from deft_sweeps.spec.schema import Combination, SamplerName, SweepSpec

ConcreteName = Literal["front", "tpe", "nsga2", "nsga3", "gp", "random"]

USES_LIMITS: tuple[ConcreteName, ...] = ("front", "tpe", "nsga2", "nsga3", "gp")
"""The samplers that aim at points which keep the limits; random sampling cannot."""


@dataclass(frozen=True, slots=True)
class Picked:
    """A sampler.

    Attributes:
        why: a clause, to stand after `because`; empty where the spec names the sampler.
    """

    name: ConcreteName
    why: str = ""

    def told(self, limits: Sequence[Constraint] = ()) -> str:
        """The sampler in a sentence: its name, why it was picked, and what it makes of the limits."""
        told = f"sampler: {self.name}" + (f", picked because {self.why}" if self.why else "")
        if any(not limit.rests_on_proxy for limit in limits):
            sees = self.name in USES_LIMITS
            told += "; it sees how far a trial breaks the limits" if sees else "; it does not see the limits, which the front judges"
        proxies = ", ".join(f"`{limit}`" for limit in limits if limit.rests_on_proxy)
        if proxies:
            told += f"; {proxies}: judged by a proxy, so only the choice looks at it, never the search"
        return told


def pick(spec: SweepSpec) -> Picked:
    """The sampler that the spec names, or for `auto` the platform's own."""
    name: SamplerName = spec.search.sampler
    if name != "auto":
        return Picked(name)
    if len(spec.combinations) == 1 and not spec.combinations[0].open:
        return Picked("random", "the space has a single configuration")
    return Picked("front", "it learns from every threshold and rung of a trial, and needs the fewest trials where they were counted")


def gp_refuses(combinations: Sequence[Combination]) -> str | None:
    """Why a Gaussian process cannot model the space; None where it can.

    It has one input a parameter, so every parameter must have a value in every trial: a space with parameters that only some
    combinations leave open is refused, since those would be sampled at random without a word.
    """
    names = dict.fromkeys(name for combination in combinations for name in combination.open)
    for name in names:
        n_with = sum(name in combination.open for combination in combinations)
        if n_with < len(combinations):
            return f"gp needs every parameter in every combination; {name} is open in {n_with} of {len(combinations)}"
    if len(combinations) == 1 and not names:
        return "gp needs something to search; the space has one combination and nothing open"
    return None

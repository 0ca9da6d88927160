"""Which sampler a sweep is searched with, and why. Loads no sampler: `plan` shows it too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.objective import Constraint
from deft_sweeps.spec.schema import Combination, SamplerName, SweepSpec

ConcreteName = Literal["front", "tpe", "nsga2", "nsga3", "gp", "random"]

GP_TRIALS, GP_PARAMETERS, GP_COMBINATIONS = 100, 6, 4
MANY_OBJECTIVES = 4
NSGA_GENERATIONS = 10

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
        if limits and self.name not in USES_LIMITS:
            told += "; it does not see the limits, which the front judges"
        elif limits:
            told += "; it sees how far a trial breaks the limits"
        return told


def pick(spec: SweepSpec) -> Picked:
    """The sampler that the spec names, or for `auto` one that fits the space, the objectives and the budget."""
    name: SamplerName = spec.search.sampler
    if name != "auto":
        return Picked(name)
    trials, startup, n_objectives = spec.budget.trials, spec.search.startup, len(spec.objectives)
    if trials <= startup:
        return Picked("random", f"a budget of {trials} trials ends with the {startup} that every sampler starts at random")
    if n_objectives >= MANY_OBJECTIVES and trials >= NSGA_GENERATIONS * startup:
        return Picked("nsga3", f"with {n_objectives} objectives most points are on the front, and {trials} trials are enough generations")
    n_open = len({name for combination in spec.combinations for name in combination.open})
    few = len(spec.combinations) <= GP_COMBINATIONS and 1 <= n_open <= GP_PARAMETERS and trials <= GP_TRIALS
    if few and gp_refuses(spec.combinations) is None:
        return Picked("gp", f"the space has {n_open} open parameters, the same in all combinations, and {trials} trials are few")
    n = len(spec.combinations)
    return Picked("tpe", f"it models parameters that only some of the {n} combinations have" if n > 1 else "it is the cheapest that learns")


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

"""Chooses the sampler that a sweep is searched with, and says why. Loads no sampler."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.objective import Constraint
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.search_settings import SamplerName
from deft_sweeps.specification.sweep_spec import SweepSpec

ConcreteName = Literal["front", "tpe", "nsga2", "nsga3", "gp", "random"]

USES_LIMITS: tuple[ConcreteName, ...] = ("front", "tpe", "nsga2", "nsga3", "gp")
"""The samplers that aim at points within the limits; random sampling cannot."""


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """A sampler.

    Attributes:
        why: a clause that follows `because`; empty if the spec names the sampler.
    """

    name: ConcreteName
    why: str = ""

    def describe(self, limits: Sequence[Constraint] = ()) -> str:
        """One sentence: the sampler's name, why it was picked, and how it treats the limits."""
        sentence = f"sampler: {self.name}" + (f", picked because {self.why}" if self.why else "")
        if any(not limit.rests_on_proxy for limit in limits):
            aims = self.name in USES_LIMITS
            sees = "it sees how far a trial breaks the limits"
            sentence += (
                f"; {sees if aims else 'it does not see the limits, which the front judges'}"
            )
        proxies = ", ".join(f"`{limit}`" for limit in limits if limit.rests_on_proxy)
        if proxies:
            judged = "judged by a proxy, so only the choice looks at it, never the search"
            sentence += f"; {proxies}: {judged}"
        return sentence


def choose_sampler(spec: SweepSpec) -> SamplerChoice:
    """The sampler that the spec names; for `auto`, the platform's own if there is a choice."""
    name: SamplerName = spec.search.sampler
    if name != "auto":
        return SamplerChoice(name)
    if len(spec.combinations) == 1 and not spec.combinations[0].open:
        return SamplerChoice("random", "the space has a single configuration")
    why = "it learns from every threshold and rung of a trial"
    return SamplerChoice("front", f"{why}, and needs the fewest trials where they were counted")


def why_not_gp(combinations: Sequence[Combination]) -> str | None:
    """Why Optuna's Gaussian process cannot model the space; None if it can.

    The model has one input for each parameter, so a trial needs a value for every one. Parameters
    that only some combinations leave open would be sampled at random without notice.
    """
    names = dict.fromkeys(name for combination in combinations for name in combination.open)
    for name in names:
        n_open = sum(name in combination.open for combination in combinations)
        if n_open < len(combinations):
            needs = "gp needs every parameter in every combination"
            return f"{needs}; {name} is open in {n_open} of {len(combinations)}"
    if len(combinations) == 1 and not names:
        return "gp needs something to search; the space has one combination and nothing open"
    return None

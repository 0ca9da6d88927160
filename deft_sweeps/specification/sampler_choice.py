"""Chooses the sampler that a sweep is searched with, and says why. Loads no sampler."""

from collections.abc import Sequence
from dataclasses import dataclass

from deft_sweeps.objective import Constraint
from deft_sweeps.specification.combination import Combination
from deft_sweeps.specification.sampler_entry import SAMPLERS, ConcreteName
from deft_sweeps.specification.sweep_spec import SweepSpec


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """A sampler.

    Attributes:
        why: a clause that follows `because`; empty if the spec names the sampler.
    """

    name: ConcreteName
    why: str = ""

    def describe(self, seen: Sequence[Constraint] = (), later: Sequence[Constraint] = ()) -> str:
        """One sentence: the sampler's name, why it was picked, and how it treats the limits.

        Args:
            seen: limits that the search acts on.
            later: limits that only measurements after the search can judge.
        """
        sentence = f"sampler: {self.name}" + (f", picked because {self.why}" if self.why else "")
        if seen:
            aims = SAMPLERS[self.name].uses_limits
            sees = "it sees how far a trial breaks the limits"
            sentence += (
                f"; {sees if aims else 'it does not see the limits, which the front judges'}"
            )
        if later:
            named = ", ".join(f"`{limit}`" for limit in later)
            judged = (
                "judged once each structure was measured alone, after the search, which therefore"
                " excludes nothing by it"
            )
            sentence += f"; {named}: {judged}"
        return sentence


def choose_sampler(spec: SweepSpec) -> SamplerChoice:
    """The sampler that the spec names; for `auto`, the platform's own if there is a choice."""
    name = spec.search.sampler
    if name != "auto":
        return SamplerChoice(name)
    if len(spec.combinations) == 1 and not spec.combinations[0].open:
        return SamplerChoice("random", "the space has a single configuration")
    why = "it learns from every threshold and rung of a trial"
    return SamplerChoice("front", f"{why}, and needs the fewest trials where they were counted")


def why_not_suited(name: str, combinations: Sequence[Combination]) -> str | None:
    """Why a sampler cannot model the space; None if it can.

    Optuna's Gaussian process has one input for each parameter, so a trial needs a value for every
    one. Parameters that only some combinations leave open would be sampled at random without
    notice.

    Args:
        name: of the sampler, or `auto`.
        combinations: of the space.
    """
    if name not in SAMPLERS or not SAMPLERS[name].needs_equal_parameters:
        return None
    names = dict.fromkeys(opened for one in combinations for opened in one.open)
    for parameter in names:
        n_open = sum(parameter in combination.open for combination in combinations)
        if n_open < len(combinations):
            needs = f"{name} needs every parameter in every combination"
            return f"{needs}; {parameter} is open in {n_open} of {len(combinations)}"
    if len(combinations) == 1 and not names:
        nothing = "the space has one combination and nothing open"
        return f"{name} needs something to search; {nothing}"
    return None

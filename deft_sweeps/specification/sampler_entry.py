"""The samplers that a sweep can name: one entry each, which loads none of them.

A further one of Optuna's needs an entry here and one in `sampler.optuna_sampler`, which makes it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerEntry:
    """What a sweep has to know of a sampler before one is made.

    Attributes:
        name: in YAML.
        meaning: a clause for the README.
        uses_limits: whether it aims at points within the limits.
        needs_equal_parameters: whether every combination must leave the same parameters open.
    """

    name: str
    meaning: str
    uses_limits: bool
    needs_equal_parameters: bool = False


SAMPLERS: dict[str, SamplerEntry] = {
    entry.name: entry
    for entry in (
        SamplerEntry(
            name="front",
            meaning="our own: a Gaussian process that learns from every threshold and rung",
            uses_limits=True,
        ),
        SamplerEntry(
            name="tpe",
            meaning="Optuna's tree-structured Parzen estimator, grouped by combination",
            uses_limits=True,
        ),
        SamplerEntry(
            name="nsga2",
            meaning="Optuna's genetic algorithm NSGA-II",
            uses_limits=True,
        ),
        SamplerEntry(
            name="nsga3",
            meaning="Optuna's genetic algorithm NSGA-III, for three objectives and more",
            uses_limits=True,
        ),
        SamplerEntry(
            name="gp",
            meaning="Optuna's Gaussian process, for spaces with the same parameters everywhere",
            uses_limits=True,
            needs_equal_parameters=True,
        ),
        SamplerEntry(
            name="qmc",
            meaning="a quasi-random sequence (Sobol, scrambled), more even than random draws",
            uses_limits=False,
        ),
        SamplerEntry(
            name="random",
            meaning="independent random draws",
            uses_limits=False,
        ),
    )
}
"""Every sampler by name."""

# A Literal for reading YAML and for its schema; to a type checker, which cannot derive one, text.
if TYPE_CHECKING:
    ConcreteName = str
    SamplerName = str
else:
    ConcreteName = Literal[tuple(SAMPLERS)]
    SamplerName = Literal[(*SAMPLERS, "auto")]

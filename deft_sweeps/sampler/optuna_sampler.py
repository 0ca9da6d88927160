"""Optuna's samplers, and `quasi_random`, by the names that a sweep's YAML uses.

A further one needs an entry in `OPTUNA_SAMPLERS`, and one in `specification.sampler_entry`, since
the YAML is checked without loading Optuna. A test fails if one of them is missing.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseGASampler,
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial

from deft_sweeps.sampler.proposal_seed import ProposalSeed
from deft_sweeps.sampler.quasi_random import make_quasi_random
from deft_sweeps.specification.search_settings import Search


class GenerationSampler(BaseGASampler):
    """A genetic sampler whose parents are given.

    Optuna keeps generations in the study's attributes, and a study that is rebuilt from the store
    has none.

    Attributes:
        parents: of the next proposal; None leaves the generations to Optuna.
    """

    parents: Sequence[FrozenTrial] | None = None
    _population: Sequence[FrozenTrial] = ()

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        """Returns 0 for every trial, since the parents are given."""
        return 0 if self.parents is not None else super().get_trial_generation(study, trial)

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Returns the population that `survivors` selects from, if any."""
        return list(self._population) or super().get_population(study, generation)

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Returns the given parents."""
        if self.parents is not None:
            return list(self.parents)
        return super().get_parent_population(study, generation)

    def survivors(self, study: Study, population: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Selects the best of a population, which holds a generation and its parents."""
        self._population, self.parents = population, ()
        return self.select_parent(study, generation=1)


class _Nsga2Sampler(GenerationSampler, NSGAIISampler):
    """Optuna's NSGA-II with given parents."""


class _Nsga3Sampler(GenerationSampler, NSGAIIISampler):
    """Optuna's NSGA-III with given parents."""


def population_size(search: Search) -> int:
    """Trials of a generation. The first generation is random, so Optuna's default of 50 would make
    most small sweeps random altogether.
    """
    return max(2, search.startup)


@dataclass(frozen=True, slots=True)
class OptunaSampler:
    """How one of Optuna's samplers is used.

    Attributes:
        make: makes it for one proposal.
        n_latest: number of latest trials that it looks at.
    """

    make: Callable[[Search, ProposalSeed], BaseSampler]
    n_latest: int


def _make_tpe(search: Search, proposal: ProposalSeed) -> BaseSampler:
    # `multivariate` and `group` make TPE model the parameters of a conditional space jointly.
    return TPESampler(
        multivariate=True,
        group=True,
        constant_liar=True,
        n_startup_trials=search.startup,
        seed=proposal.seed,
    )


def _make_gp(search: Search, proposal: ProposalSeed) -> BaseSampler:
    return GPSampler(
        n_startup_trials=search.startup, seed=proposal.seed, warn_independent_sampling=False
    )


def _make_nsga2(search: Search, proposal: ProposalSeed) -> BaseSampler:
    return _Nsga2Sampler(population_size=population_size(search), seed=proposal.seed)


def _make_nsga3(search: Search, proposal: ProposalSeed) -> BaseSampler:
    return _Nsga3Sampler(population_size=population_size(search), seed=proposal.seed)


def _make_random(search: Search, proposal: ProposalSeed) -> BaseSampler:
    return RandomSampler(seed=proposal.seed)


OPTUNA_SAMPLERS: Mapping[str, OptunaSampler] = {
    "tpe": OptunaSampler(_make_tpe, n_latest=200),
    "gp": OptunaSampler(_make_gp, n_latest=60),
    # Parents come from the generations; the latest trials only show which parameters there are.
    "nsga2": OptunaSampler(_make_nsga2, n_latest=50),
    "nsga3": OptunaSampler(_make_nsga3, n_latest=50),
    # The latest trials only show which parameters every trial has.
    "qmc": OptunaSampler(make_quasi_random, n_latest=50),
    "random": OptunaSampler(_make_random, n_latest=1),
}


def make_sampler(search: Search, n_trials: int) -> BaseSampler:
    """Makes the sampler of the proposal after `n_trials` trials.

    Its seed depends on the sweep's seed and on the number of trials, and none of these samplers
    keeps any other state between proposals. A proposal therefore does not depend on how often the
    driver was started.

    Raises:
        ValueError: the name is not one of Optuna's samplers: `auto`, which `choose_sampler`
            resolves, or `front`.
    """
    if search.sampler not in OPTUNA_SAMPLERS:
        names = ", ".join(OPTUNA_SAMPLERS)
        raise ValueError(f"expected one of Optuna's samplers ({names}), got {search.sampler}")
    with warnings.catch_warnings():
        # Options that the samplers need are marked experimental.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return OPTUNA_SAMPLERS[search.sampler].make(search, ProposalSeed.of(search, n_trials))

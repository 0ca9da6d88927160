"""The quasi-random sampler: proposals that fill the space more evenly than random ones.

Optuna's counts its proposals in the study, and a study that is rebuilt from the store lacks the
count: the sequence would begin again.
"""

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study
from optuna.trial import FrozenTrial

from deft_sweeps.sampler.proposal_seed import ProposalSeed
from deft_sweeps.specification.domain import Float, Int
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.study.parameters import value_at


class QuasiRandomSampler(BaseSampler):
    """A scrambled Sobol sequence over the parameters that all complete trials have.

    Other parameters are drawn at random.

    Args:
        sequence_seed: of the scrambling, the same for every proposal of a search.
        proposal: whose number is the place in the sequence.
    """

    def __init__(self, sequence_seed: int, proposal: ProposalSeed) -> None:
        self._sequence_seed, self._number = sequence_seed, proposal.number
        self._random = RandomSampler(seed=proposal.seed)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that all complete trials have, sorted by name."""
        return intersection_search_space(study.get_trials(deepcopy=False))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the sequence's point, a coordinate for each parameter."""
        if not search_space:
            return {}
        point = _sobol_point(len(search_space), self._number, self._sequence_seed)
        parameters = zip(search_space.items(), point, strict=True)
        return {name: _value(distribution, unit) for (name, distribution), unit in parameters}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Returns a random value."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def make_quasi_random(search: Search, proposal: ProposalSeed) -> BaseSampler:
    """Makes the sampler of one proposal."""
    return QuasiRandomSampler(search.seed, proposal)


def _sobol_point(n_dimensions: int, index: int, seed: int) -> list[float]:
    """A point of a scrambled Sobol sequence, each coordinate in [0, 1)."""
    from scipy.stats import qmc  # Slow to import, and only this sampler needs it.

    sequence = qmc.Sobol(n_dimensions, seed=seed)
    if index:  # SciPy refuses to skip no point.
        sequence.fast_forward(index)
    point: list[float] = sequence.random(1)[0].tolist()
    return point


def _value(distribution: BaseDistribution, unit: float) -> Any:
    """The parameter's value at a coordinate.

    Raises:
        TypeError: the distribution is none that a sweep's parameters have.
    """
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[int(unit * len(choices))]
        case FloatDistribution(low=low, high=high, log=log):
            return value_at(Float(low, high, log), unit)
        case IntDistribution(low=low, high=high, log=log):
            return value_at(Int(low, high, log), unit)
    raise TypeError(f"expected a float, an int or a choice, got {distribution}")

"""Optuna's quasi-random sampler: proposals that fill the space more evenly than random ones."""

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study
from optuna.trial import FrozenTrial

from deft_sweeps.sampler.history import MEASURED_STATES
from deft_sweeps.sampler.proposal_seed import ProposalSeed
from deft_sweeps.specification.search_settings import Search


class QuasiRandomSampler(QMCSampler):
    """A scrambled Sobol sequence over the parameters that all trials have; others are random.

    Args:
        sequence_seed: of the scrambling, the same for every proposal of a search.
        proposal: whose number is the place in the sequence.
    """

    def __init__(self, sequence_seed: int, proposal: ProposalSeed) -> None:
        super().__init__(
            scramble=True,
            seed=sequence_seed,
            independent_sampler=RandomSampler(seed=proposal.seed),
            warn_independent_sampling=False,
        )
        self._number = proposal.number

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that all measured trials have."""
        return intersection_search_space(study.get_trials(deepcopy=False, states=MEASURED_STATES))

    def _find_sample_id(self, study: Study, search_space: dict[str, Any]) -> int:
        # Optuna counts in the study's attributes, which a study that is rebuilt from the store
        # lacks: the sequence would begin again.
        return self._number


def make_quasi_random(search: Search, proposal: ProposalSeed) -> BaseSampler:
    """Makes the sampler of one proposal."""
    return QuasiRandomSampler(search.seed, proposal)

"""What the random draws of one proposal follow from."""

from dataclasses import dataclass

import numpy as np

from deft_sweeps.specification.search_settings import Search


@dataclass(frozen=True, slots=True)
class ProposalSeed:
    """What tells one proposal from the others of a search.

    Attributes:
        number: of trials before it.
        seed: of its random draws, another for each number and each seed of the search.
    """

    number: int
    seed: int

    @staticmethod
    def of(search: Search, number: int) -> "ProposalSeed":
        """The seed that follows from the search's seed and the number."""
        sequence = np.random.SeedSequence([search.seed, number])
        return ProposalSeed(number, int(sequence.generate_state(1)[0]))

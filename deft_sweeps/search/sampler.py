"""Optuna's samplers by the names that a spec uses."""

import warnings
from typing import assert_never

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from deft_sweeps.spec.schema import Search


def make_sampler(search: Search, n_trials: int) -> BaseSampler:
    """A sampler for the proposal after `n_trials`.

    Its seed depends on the sweep's seed and on how many trials there are, so a proposal does not depend on how often the driver was
    started: none of these samplers keeps anything else of its own between proposals.
    """
    seed = int(np.random.SeedSequence([search.seed, n_trials]).generate_state(1)[0])
    match search.sampler:
        case "tpe":
            with warnings.catch_warnings():
                # `multivariate` and `group` are experimental by name only: they are what makes TPE model a conditional space jointly.
                warnings.simplefilter("ignore", ExperimentalWarning)
                return TPESampler(multivariate=True, group=True, constant_liar=True, n_startup_trials=search.startup, seed=seed)
        case "nsga2":
            # The first generation is random; with the default of 50 a small sweep would be nothing else.
            return NSGAIISampler(population_size=max(2, search.startup), seed=seed)
        case "random":
            return RandomSampler(seed=seed)
        case unknown:
            assert_never(unknown)

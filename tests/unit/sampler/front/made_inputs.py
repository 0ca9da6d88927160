"""Inputs and hyperparameters for tests of the Gaussian process."""

import numpy as np

from deft_sweeps.sampler.front.kernel import Inputs, LogHyperparameters

GROUPS = (0, 0, 1)
IS_NUMERIC = (False, True)


def exact(x: np.ndarray, thresholds: np.ndarray, trainings: np.ndarray) -> Inputs:
    """Inputs of points that were measured at the end."""
    nothing = np.zeros(len(thresholds))
    return Inputs(x, thresholds, trainings, nothing, nothing)


def random_inputs(n: int, seed: int, n_trainings: int = 5, n_estimated: int = 0) -> Inputs:
    """Random inputs; the last `n_estimated` were estimated at a rung."""
    rng = np.random.default_rng(seed)
    is_estimated = np.arange(n) >= n - n_estimated
    training_variance, point_variance = np.where(is_estimated, rng.random((2, n)), 0.0)
    x, thresholds, trainings = rng.random((n, 3)), rng.random(n), rng.integers(n_trainings, size=n)
    return Inputs(x, thresholds, trainings, training_variance, point_variance)


def random_hyperparameters() -> LogHyperparameters:
    """Hyperparameters near the prior medians."""
    medians = LogHyperparameters.prior_medians(IS_NUMERIC).to_vector()
    return LogHyperparameters.from_vector(medians + np.random.default_rng(1).normal(0, 0.3, 8))

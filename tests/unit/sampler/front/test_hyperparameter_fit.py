"""Fitted hyperparameters, and the gradient that the fit uses."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from deft_sweeps.sampler.front import hyperparameter_fit
from deft_sweeps.sampler.front.hyperparameter_fit import fit_hyperparameters
from deft_sweeps.sampler.front.kernel import Kernel, LogHyperparameters, rung_covariance
from deft_sweeps.sampler.front.posterior import condition
from tests.unit.sampler.front.made_inputs import (
    GROUPS,
    IS_NUMERIC,
    exact,
    random_hyperparameters,
    random_inputs,
)


def test_the_gradient_is_that_of_finite_differences() -> None:
    inputs = random_inputs(12, 2, n_estimated=5)
    objective = hyperparameter_fit._NegativeLogPosterior(
        prior_medians=LogHyperparameters.prior_medians(IS_NUMERIC).to_vector(),
        distances=hyperparameter_fit._squared_distances(inputs, GROUPS),
        same_training=(inputs.trainings[:, None] == inputs.trainings[None]).astype(float),
        extra_covariance=rung_covariance(inputs, 1.0),
        targets=np.random.default_rng(6).normal(size=12),
    )
    vector = random_hyperparameters().to_vector()
    numeric = approx_fprime(vector, lambda shifted: objective(shifted)[0], 1e-6)
    np.testing.assert_allclose(objective(vector)[1], numeric, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_group_that_matters_gets_the_shorter_length_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = exact(rng.random((60, 3)), rng.random(60), np.arange(60))
    signal = np.sin(6 * inputs.configurations[:, 2])
    log = fit_hyperparameters(inputs, signal + 0.01 * rng.normal(size=60), GROUPS, IS_NUMERIC)
    assert log.group_weights[1] > log.group_weights[0] + 1.0
    new = exact(rng.random((50, 3)), np.full(50, 0.5), np.full(50, -1))
    predicted = condition(Kernel(log, GROUPS), inputs, signal).posterior(new, 1).mean.reshape(-1)
    assert np.abs(predicted - np.sin(6 * new.configurations[:, 2])).mean() < 0.1


def test_equal_targets_are_predicted_with_a_finite_covariance() -> None:
    inputs, y = random_inputs(5, 0), np.full(5, 0.7)
    log = fit_hyperparameters(inputs, y, GROUPS, IS_NUMERIC)
    posterior = condition(Kernel(log, GROUPS), inputs, y).posterior(inputs, 1)
    np.testing.assert_allclose(posterior.mean, 0.7)
    assert np.isfinite(posterior.covariance).all()

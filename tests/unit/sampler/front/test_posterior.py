"""The Gaussian process against the textbook's formulas, written out with an inverse."""

import numpy as np
import pytest

from deft_sweeps.sampler.front.kernel import Inputs, Kernel, LogHyperparameters
from deft_sweeps.sampler.front.posterior import condition
from tests.unit.sampler.front.made_inputs import (
    GROUPS,
    exact,
    random_hyperparameters,
    random_inputs,
)

JITTER = 1e-6


def naive_kernel(log: LogHyperparameters, a: Inputs, b: Inputs) -> np.ndarray:
    """F + g + h, entry by entry."""
    covariance = np.zeros((len(a), len(b)))
    weights = np.exp(log.group_weights[[0, 0, 1]])
    for i in range(len(a)):
        for j in range(len(b)):
            distance = float(weights @ (a.configurations[i] - b.configurations[j]) ** 2)
            apart = (a.thresholds[i] - b.thresholds[j]) ** 2
            f = np.exp(log.shared_variance - 0.5 * np.exp(log.shared_threshold_weight) * apart)
            along = np.exp(-0.5 * np.exp(log.threshold_weight) * apart)
            g = np.exp(log.configuration_variance - 0.5 * distance) * along
            h = np.exp(log.training_variance) * along * (a.trainings[i] == b.trainings[j])
            covariance[i, j] = f + g + h
    return covariance


def naive_rung_covariance(inputs: Inputs) -> np.ndarray:
    """Extra covariance of estimated targets, entry by entry, in the squared unit of the targets."""
    covariance = np.diag(inputs.point_variance)
    for i in range(len(inputs)):
        for j in range(len(inputs)):
            if inputs.trainings[i] == inputs.trainings[j]:
                product = inputs.training_variance[i] * inputs.training_variance[j]
                covariance[i, j] += np.sqrt(product)
    return covariance


@pytest.mark.parametrize("n_estimated", [0, 8])
def test_mean_and_covariance_are_the_textbooks(n_estimated: int) -> None:
    inputs, log = random_inputs(20, 0, n_estimated=n_estimated), random_hyperparameters()
    y = np.random.default_rng(3).normal(2.0, 3.0, 20)
    drawn = random_inputs(6, 4)
    x, trainings = np.repeat(drawn.configurations[::3], 3, axis=0), np.repeat([-1, -2], 3)
    new = exact(x, np.tile(drawn.thresholds[:3], 2), trainings)
    posterior = condition(Kernel(log, GROUPS), inputs, y).posterior(new, 3)

    centre, scale = y[: 20 - n_estimated].mean(), y[: 20 - n_estimated].std()
    noise = (np.exp(log.noise_variance) + JITTER) * np.eye(20)
    extra = naive_rung_covariance(inputs) / scale**2
    inverse = np.linalg.inv(naive_kernel(log, inputs, inputs) + noise + extra)
    cross = naive_kernel(log, inputs, new)
    mean = centre + scale * cross.T @ inverse @ ((y - centre) / scale)
    covariance = scale**2 * (naive_kernel(log, new, new) - cross.T @ inverse @ cross)
    np.testing.assert_allclose(posterior.mean.reshape(-1), mean, atol=1e-8)
    for i in range(2):
        block = slice(3 * i, 3 * i + 3)
        np.testing.assert_allclose(posterior.covariance[i], covariance[block, block], atol=1e-8)


def test_later_observations_count_as_if_conditioned_on_at_once() -> None:
    inputs, later, log = random_inputs(15, 0), random_inputs(4, 9), random_hyperparameters()
    rng = np.random.default_rng(5)
    y, y_later = rng.normal(size=15), rng.normal(size=4)
    drawn = random_inputs(3, 11)
    new = exact(np.repeat(drawn.configurations[:1], 3, axis=0), drawn.thresholds, np.full(3, -7))
    process = condition(Kernel(log, GROUPS), inputs, y).condition_on_observations(later, y_later)
    posterior = process.posterior(new, 3)

    every = inputs.concatenate(later)
    noise = (np.exp(log.noise_variance) + JITTER) * np.eye(19)
    inverse = np.linalg.inv(naive_kernel(log, every, every) + noise)
    targets = (np.concatenate([y, y_later]) - y.mean()) / y.std()
    mean = y.mean() + y.std() * naive_kernel(log, every, new).T @ inverse @ targets
    np.testing.assert_allclose(posterior.mean.reshape(-1), mean, atol=1e-8)
    assert posterior.covariance.shape == (1, 3, 3)


def test_fantasised_candidates_count_as_if_observed_at_their_means() -> None:
    inputs, kernel = random_inputs(15, 0), Kernel(random_hyperparameters(), GROUPS)
    process = condition(kernel, inputs, np.random.default_rng(5).normal(2.0, 3.0, 15))
    x = np.repeat(random_inputs(4, 2).configurations, 3, axis=0)
    thresholds, trainings = np.tile(random_inputs(3, 1).thresholds, 4), np.repeat(np.arange(4), 3)
    candidates = exact(x, thresholds, -1 - trainings)
    posterior = process.posterior(candidates, 3)
    for i in (2, 0):
        rows = candidates.select(slice(3 * i, 3 * i + 3))
        process = process.condition_on_observations(rows, posterior.mean[i])
        posterior.fantasize(i)
    expected = process.posterior(candidates, 3)
    np.testing.assert_allclose(posterior.mean, expected.mean, atol=1e-8)
    # The observed process predicts another training of the two, which is a little less certain.
    others = [1, 3]
    np.testing.assert_allclose(posterior.covariance[others], expected.covariance[others], atol=1e-8)


def test_uncertain_targets_move_the_mean_less_and_leave_a_larger_variance() -> None:
    kernel, y = Kernel(random_hyperparameters(), GROUPS), np.array([0.0, 1.0, 3.0])
    means, variances = [], []
    for variance in (0.0, 0.5, 50.0):
        extra = np.array([0.0, 0.0, variance])
        x = np.array([[0.0, 0, 0], [0, 0, 1], [0.7, 0, 0.5]])
        process = condition(kernel, Inputs(x, np.full(3, 0.5), np.arange(3), extra, extra), y)
        posterior = process.posterior(exact(x[2:], np.full(1, 0.5), np.array([-1])), 1)
        means.append(posterior.mean[0, 0])
        variances.append(posterior.covariance[0, 0, 0] / process.scale**2)
    assert means == sorted(means, reverse=True)
    assert variances == sorted(variances)
    assert len(set(means)) == len(set(variances)) == 3

"""The Gaussian process against the textbook's formulas, written out with an inverse."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from deft_sweeps.sampler.front import hyperparameter_fit as fitting
from deft_sweeps.sampler.front.hyperparameter_fit import fit
from deft_sweeps.sampler.front.kernel import Hyper, Rows, unsure_of
from deft_sweeps.sampler.front.posterior import condition, joined

GROUPS = (0, 0, 1)
ORDERED = (False, True)


def sure(x: np.ndarray, at: np.ndarray, training: np.ndarray) -> Rows:
    return Rows(x, at, training, np.zeros(len(at)), np.zeros(len(at)))


def some_rows(n: int, seed: int, n_trainings: int = 5, n_unsure: int = 0) -> Rows:
    """The last ones of them unsure."""
    rng = np.random.default_rng(seed)
    common, own = np.where(np.arange(n) >= n - n_unsure, rng.random((2, n)), 0.0)
    return Rows(rng.random((n, 3)), rng.random(n), rng.integers(n_trainings, size=n), common, own)


def some_hyper() -> Hyper:
    return Hyper.of(Hyper.prior(ORDERED).vector() + np.random.default_rng(1).normal(0, 0.3, 8))


def kernel(hyper: Hyper, a: Rows, b: Rows) -> np.ndarray:
    """f + g + h, entry by entry."""
    found = np.zeros((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            apart = (a.x[i] - b.x[j]) ** 2
            by_config = np.exp(hyper.groups[0]) * (apart[0] + apart[1]) + np.exp(hyper.groups[1]) * apart[2]
            at = (a.at[i] - b.at[j]) ** 2
            by_point = np.exp(hyper.at) * at
            found[i, j] += np.exp(hyper.shared) * np.exp(-0.5 * np.exp(hyper.shared_at) * at)
            found[i, j] += np.exp(hyper.config) * np.exp(-0.5 * (by_config + by_point))
            found[i, j] += np.exp(hyper.seed) * np.exp(-0.5 * by_point) * (a.training[i] == b.training[j])
    return found


def doubts(rows: Rows) -> np.ndarray:
    """Covariance of what makes rows unsure, entry by entry, in the values' unit."""
    found = np.diag(rows.own)
    for i in range(len(rows)):
        for j in range(len(rows)):
            if rows.training[i] == rows.training[j]:
                found[i, j] += np.sqrt(rows.common[i] * rows.common[j])
    return found


@pytest.mark.parametrize("n_unsure", [0, 8])
def test_predictions_are_the_textbooks(n_unsure: int) -> None:
    rows, hyper = some_rows(20, 0, n_unsure=n_unsure), some_hyper()
    y = np.random.default_rng(3).normal(2.0, 3.0, 20)
    asked = some_rows(6, 4)
    asked = sure(np.repeat(asked.x[::3], 3, axis=0), np.tile(asked.at[:3], 2), np.array([-1, -1, -1, -2, -2, -2]))
    mean, covariance = condition(rows, y, GROUPS, hyper).predict(asked, 3)

    centre, scale = y[: 20 - n_unsure].mean(), y[: 20 - n_unsure].std()
    inverse = np.linalg.inv(kernel(hyper, rows, rows) + (np.exp(hyper.noise) + 1e-6) * np.eye(20) + doubts(rows) / scale**2)
    cross = kernel(hyper, rows, asked)
    expected = centre + scale * cross.T @ inverse @ ((y - centre) / scale)
    spread = scale**2 * (kernel(hyper, asked, asked) - cross.T @ inverse @ cross)
    np.testing.assert_allclose(mean.reshape(-1), expected, atol=1e-8)
    for i in range(2):
        np.testing.assert_allclose(covariance[i], spread[3 * i : 3 * i + 3, 3 * i : 3 * i + 3], atol=1e-8)


def test_values_told_later_count_as_if_told_at_once() -> None:
    rows, late, hyper = some_rows(15, 0), some_rows(4, 9), some_hyper()
    rng = np.random.default_rng(5)
    y, y_late = rng.normal(size=15), rng.normal(size=4)
    asked = some_rows(3, 11)
    asked = sure(np.repeat(asked.x[:1], 3, axis=0), asked.at, asked.training)
    mean, covariance = joined(condition(rows, y, GROUPS, hyper), late, y_late).predict(asked, 3)

    every = Rows(*(np.concatenate(pair) for pair in zip(rows.arrays, late.arrays, strict=True)))
    inverse = np.linalg.inv(kernel(hyper, every, every) + (np.exp(hyper.noise) + 1e-6) * np.eye(19))
    told = (np.concatenate([y, y_late]) - y.mean()) / y.std()
    # A new training is nobody's but its own.
    cross = kernel(hyper, every, sure(asked.x, asked.at, np.full(3, -7)))
    np.testing.assert_allclose(mean.reshape(-1), y.mean() + y.std() * cross.T @ inverse @ told, atol=1e-8)
    assert covariance.shape == (1, 3, 3)


def test_what_is_believed_counts_as_if_told() -> None:
    """One after the other, beside a process that was told the means."""
    rows, hyper = some_rows(15, 0), some_hyper()
    process = condition(rows, np.random.default_rng(5).normal(2.0, 3.0, 15), GROUPS, hyper)
    at = some_rows(3, 1).at
    asked = sure(np.repeat(some_rows(4, 2).x, 3, axis=0), np.tile(at, 4), -1 - np.repeat(np.arange(4), 3))
    outlook = process.outlook(asked, 3)
    for i in (2, 0):
        process = joined(process, asked.only(slice(3 * i, 3 * i + 3)), outlook.mean[i])
        outlook.believe(i)
    mean, covariance = process.predict(asked, 3)
    np.testing.assert_allclose(outlook.mean, mean, atol=1e-8)
    # The two that were told are asked for as other trainings here, which are a little less sure.
    np.testing.assert_allclose(outlook.covariance[[1, 3]], covariance[[1, 3]], atol=1e-8)


def test_the_gradient_is_that_of_finite_differences() -> None:
    rows = some_rows(12, 2, n_unsure=5)
    y = np.random.default_rng(6).normal(size=12)
    prior, at = Hyper.prior(ORDERED).vector(), some_hyper().vector()
    distances, unsure = fitting._distances(GROUPS, rows), unsure_of(rows, 1.0)
    same = (rows.training[:, None] == rows.training[None]).astype(float)

    def loss(vector: np.ndarray) -> float:
        return fitting._negative_log_posterior(vector, prior, distances, same, unsure, y)[0]

    gradient = fitting._negative_log_posterior(at, prior, distances, same, unsure, y)[1]
    np.testing.assert_allclose(gradient, approx_fprime(at, loss, 1e-6), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_fitting_finds_which_group_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = sure(rng.random((60, 3)), rng.random(60), np.arange(60))
    hyper = fit(rows, np.sin(6 * rows.x[:, 2]) + 0.01 * rng.normal(size=60), GROUPS, ORDERED)
    assert hyper.groups[1] > hyper.groups[0] + 1.0
    new = sure(rng.random((50, 3)), np.full(50, 0.5), np.full(50, -1))
    told = condition(rows, np.sin(6 * rows.x[:, 2]), GROUPS, hyper).predict(new, 1)[0].reshape(-1)
    assert np.abs(told - np.sin(6 * new.x[:, 2])).mean() < 0.1


def test_values_that_are_all_equal_are_no_trouble() -> None:
    rows = some_rows(5, 0)
    hyper = fit(rows, np.full(5, 0.7), GROUPS, ORDERED)
    mean, covariance = condition(rows, np.full(5, 0.7), GROUPS, hyper).predict(rows, 1)
    np.testing.assert_allclose(mean, 0.7)
    assert np.isfinite(covariance).all()


def test_what_is_unsure_moves_the_mean_less_and_leaves_more_in_doubt() -> None:
    hyper, y = some_hyper(), np.array([0.0, 1.0, 3.0])
    told = []
    for doubt in (0.0, 0.5, 50.0):
        unsure = np.array([0.0, 0.0, doubt])
        rows = Rows(np.array([[0.0, 0, 0], [0, 0, 1], [0.7, 0, 0.5]]), np.full(3, 0.5), np.arange(3), unsure, unsure)
        mean, covariance = condition(rows, y, GROUPS, hyper).predict(sure(rows.x[2:], rows.at[2:], np.array([-1])), 1)
        told.append((mean[0, 0], covariance[0, 0, 0] / condition(rows, y, GROUPS, hyper).scale ** 2))
    assert told[0][0] > told[1][0] > told[2][0]
    assert told[0][1] < told[1][1] < told[2][1]

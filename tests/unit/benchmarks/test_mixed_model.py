"""Predicted means, against Henderson's equations with every effect written out, and against what
was planted.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.search.mixed_model import (
    best_unbiased,
    pooled_noise,
    predicted,
    restricted_loss,
    settings,
)
from deft_sweeps.config.axes import Adapter, DensityLoss, Lora, NoDensityLoss, Training
from deft_sweeps.config.trial import TrialConfig

GRID = np.array(list(itertools.product(range(2), range(2), range(3), range(2), range(3)))).T


def design(levels: np.ndarray) -> np.ndarray:
    """A column a level of every setting."""
    return np.concatenate([np.eye(row.max() + 1)[row] for row in levels], axis=1)


def pairs(levels: np.ndarray) -> np.ndarray:
    return np.array([a * (b.max() + 1) + b for a, b in itertools.combinations(levels, 2)])


def planted(seed: int) -> np.ndarray:
    """True means of the grid: main effects, weaker interactions, and a little of each
    configuration's own.
    """
    rng = np.random.default_rng(seed)
    main, both = design(GRID), design(pairs(GRID))
    mean = (
        0.7 + main @ rng.normal(0, 0.02, main.shape[1]) + both @ rng.normal(0, 0.007, both.shape[1])
    )
    return mean + rng.normal(0, 0.005, GRID.shape[1])


def test_planted_means_are_told_better_than_by_the_trainings_themselves() -> None:
    wrong, promised = [], []
    for seed in range(10):
        true = planted(seed)
        measured = true + np.random.default_rng([seed, 1]).normal(0, 0.025, len(true))
        both = (predicted(measured, np.ones(len(true), dtype=int), 0.025**2, GRID), measured)
        wrong.append([np.mean((values - true) ** 2) for values in both])
        promised.append([np.mean((values - true)[np.argsort(values)[-10:]]) for values in both])
    assert np.all(np.divide(*np.transpose(wrong)) < 0.7)
    # The winner's curse: the best trainings promise what their configurations do not hold.
    assert abs(np.mean(promised, axis=0)[0]) < 0.25 * np.mean(promised, axis=0)[1]


def test_without_noise_it_is_what_was_measured() -> None:
    measured = planted(0)
    ones = np.ones(len(measured), dtype=int)
    assert np.array_equal(predicted(measured, ones, 0.0, GRID), measured)
    assert predicted(measured, ones, 1e-12, GRID) == pytest.approx(measured, abs=1e-6)
    assert np.array_equal(predicted(np.full(9, 0.5), ones[:9], 1.0, GRID[:, :9]), np.full(9, 0.5))


def test_a_lucky_seed_is_pulled_in_the_less_the_more_seeds_say_the_same() -> None:
    measured = planted(0) + np.random.default_rng(5).normal(0, 0.02, GRID.shape[1])
    measured[40] += 0.06
    off = []
    for n in (1, 3, 30):
        n_seeds = np.ones(len(measured), dtype=int)
        n_seeds[40] = n
        off.append(measured[40] - predicted(measured, n_seeds, 0.02**2, GRID)[40])
    assert off[0] > off[1] > off[2] > 0
    assert off[0] > 0.02


def test_known_variances_give_what_hendersons_equations_give() -> None:
    levels, rng = GRID[:, ::3], np.random.default_rng(2)
    n = levels.shape[1]
    y, of_mean = rng.normal(size=(n,)), rng.uniform(0.5, 2, size=(n,))
    variances = np.array([0.7, 0.4, 0.2])
    effects = [
        design(levels) / np.sqrt(len(levels)),
        design(pairs(levels)) / np.sqrt(len(pairs(levels))),
        np.eye(n),
    ]
    kernels = np.array([one @ one.T for one in effects])
    # The solution b, u of the weighted least squares in which every effect costs its square over
    # its variance.
    every = np.concatenate([np.ones((n, 1)), *effects], axis=1)
    cost = np.concatenate(
        [[0.0], *(np.full(one.shape[1], 1 / v) for one, v in zip(effects, variances, strict=True))]
    )
    solved = np.linalg.solve(
        every.T @ (every / of_mean[:, None]) + np.diag(cost), every.T @ (y / of_mean)
    )
    assert best_unbiased(variances, kernels, of_mean, y) == pytest.approx(every @ solved)


def test_the_restricted_likelihood_is_that_of_contrasts_and_its_gradient_is_its_slope() -> None:
    levels, rng = GRID[:, :20], np.random.default_rng(3)
    y, of_mean = rng.normal(size=(20,)), rng.uniform(0.5, 2, size=(20,))
    variances = np.array([0.7, 0.4])
    kernels = np.array([design(levels) @ design(levels).T, np.eye(20)])

    def of_contrasts(variances: np.ndarray) -> float:
        contrasts = np.linalg.svd(np.ones((1, 20)))[2][1:]  # Orthonormal, blind to the mean.
        covariance = (
            contrasts @ (np.tensordot(variances, kernels, axes=1) + np.diag(of_mean)) @ contrasts.T
        )
        seen = contrasts @ y
        return float(np.linalg.slogdet(covariance)[1] + seen @ np.linalg.solve(covariance, seen))

    value, gradient = restricted_loss(variances, kernels, of_mean, y)
    other, _ = restricted_loss(3 * variances, kernels, of_mean, y)
    assert value - other == pytest.approx(of_contrasts(variances) - of_contrasts(3 * variances))
    for i, step in enumerate(1e-5 * np.eye(2)):
        slope = (
            of_contrasts(variances * np.exp(step)) - of_contrasts(variances * np.exp(-step))
        ) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-4)


def test_noise_is_pooled_over_configurations_and_not_between_them() -> None:
    rng = np.random.default_rng(4)
    repeated = [rng.normal(10 * i, [1.0, 3.0], size=(3, 2)) for i in range(400)]
    assert pooled_noise(repeated) == pytest.approx([1.0, 9.0], rel=0.1)


def test_settings_are_those_in_which_configurations_differ_each_once() -> None:
    plain = TrialConfig()
    configs = [
        plain,
        replace(plain, peft=Adapter()),
        replace(plain, peft=Lora(), density=DensityLoss(weight=1.0)),
        replace(plain, density=DensityLoss(weight=2.0)),
        replace(plain, training=Training(learning_rate=0.5)),
    ]
    assert isinstance(plain.density, NoDensityLoss)
    levels = {tuple(row) for row in settings(configs).tolist()}
    # LoRA's fields and the adapter's tell the same apart; with the density loss comes a weight.
    assert levels == {(0, 1, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 1, 2, 0), (0, 0, 0, 0, 1)}

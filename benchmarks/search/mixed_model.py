"""Predicts the mean result of configurations from a few noisy trainings of each.

Most configurations of a table are trained once. The best of a hundred single trainings are the
lucky ones (the winner's curse), so a front of single trainings consists of luck that no searcher
can foresee. The mean of a configuration is therefore predicted from all trainings together, by a
linear mixed model of the settings that configurations share:

    y = mean + main effects + two-way interactions + effect of the configuration + noise of the seed

All effects are random and independent, with one variance per kind. The variance of the noise is
that of repeated trainings about their own means. The three others maximise the restricted
likelihood (REML). The prediction is the best linear unbiased one (BLUP): C. R. Henderson, Best
Linear Unbiased Estimation and Prediction under a Selection Model, Biometrics 31, 1975; G. K.
Robinson, That BLUP is a Good Thing, Statistical Science 6, 1991.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from deft_sweeps.config.trial import TrialConfig, codec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST, _MOST = 1e-6, 1e2
"""Bounds of the fitted variances, relative to the variance of the values."""


def settings(configs: Sequence[TrialConfig]) -> Ints:
    """Levels of the settings in which configurations differ, shape (settings, configurations).

    Levels count from 0. Settings that separate the same configurations count once. A missing
    setting has a level of its own.
    """
    leaves = [
        dict(_leaves(codec(TrialConfig).dump_python(config, mode="json"))) for config in configs
    ]
    names = dict.fromkeys(name for one in leaves for name in one)
    return _distinct(np.array([_levels(repr(one.get(name)) for one in leaves) for name in names]))


def predicted(y: Floats, n_seeds: Ints, noise: float, levels: Ints) -> Floats:
    """The predicted means, shape (n,).

    Args:
        y: mean over the trainings of each configuration, shape (n,), n >= 2.
        n_seeds: number of trainings of each, shape (n,).
        noise: variance of one training about its configuration's mean; at 0 the predictions are
            `y`.
        levels: from `settings`.
    """
    if noise <= 0.0 or y.var() <= 0.0:
        return y.copy()
    kernels = _kernels(levels)
    return best_unbiased(_fitted(y, n_seeds, noise, kernels), kernels, noise / n_seeds, y)


def effects_covariance(y: Floats, n_seeds: Ints, noise: float, levels: Ints) -> Floats:
    """Covariance of the true means about the common mean, shape (n, n).

    Uses the variances that maximise the restricted likelihood. Arguments as for `predicted`.
    """
    if noise <= 0.0 or y.var() <= 0.0:
        return np.diag(np.full(len(y), float(y.var())))
    kernels = _kernels(levels)
    covariance: Floats = np.tensordot(_fitted(y, n_seeds, noise, kernels), kernels, axes=1)
    return covariance


def best_unbiased(variances: Floats, kernels: Floats, of_mean: Floats, y: Floats) -> Floats:
    """The predictions under given variances, shape (n,).

    Args:
        variances: of each kind of effect, shape (kinds,).
        kernels: covariances of each kind at variance 1, shape (kinds, n, n).
        of_mean: variance of the noise of each value, shape (n,).
        y: values, shape (n,).
    """
    effects = np.tensordot(variances, kernels, axes=1)
    factor = cho_factor(effects + np.diag(of_mean), lower=True)
    ones = cho_solve(factor, np.ones(len(y)))
    mean = ones @ y / ones.sum()
    predictions: Floats = mean + effects @ cho_solve(factor, y - mean)
    return predictions


def restricted_loss(
    variances: Floats, kernels: Floats, of_mean: Floats, y: Floats
) -> tuple[float, Floats]:
    """Minus twice the restricted log likelihood, up to a constant, and its gradient.

    The gradient is with respect to the logarithms of the variances. Arguments as for
    `best_unbiased`.
    """
    factor = cho_factor(np.tensordot(variances, kernels, axes=1) + np.diag(of_mean), lower=True)
    inverse = cho_solve(factor, np.eye(len(y)))
    ones = inverse.sum(axis=1)
    projection = inverse - np.outer(ones, ones) / ones.sum()
    weights = projection @ y
    value = 2.0 * np.log(np.diag(factor[0])).sum() + np.log(ones.sum()) + y @ weights
    return float(value), variances * np.tensordot(
        kernels, projection - np.outer(weights, weights), axes=2
    )


def pooled_noise(repeated: Sequence[Floats]) -> Floats:
    """Variance of a training about its configuration's mean, shape (...).

    Args:
        repeated: values of each configuration with several trainings, shape (trainings, ...).
    """
    squares = sum(((values - values.mean(axis=0)) ** 2).sum(axis=0) for values in repeated)
    pooled: Floats = np.asarray(squares) / sum(len(values) - 1 for values in repeated)
    return pooled


def _fitted(y: Floats, n_seeds: Ints, noise: float, kernels: Floats) -> Floats:
    """Variances that maximise the restricted likelihood, shape (kinds,)."""
    spread = float(y.var())
    of_mean, standard = noise / spread / n_seeds, (y - y.mean()) / spread**0.5

    def loss(logs: Floats) -> tuple[float, Floats]:
        return restricted_loss(np.exp(logs), kernels, of_mean, standard)

    bounds = [(np.log(_LEAST), np.log(_MOST))] * len(kernels)
    # One start per kind of effect, in which it dominates: there may be several maxima.
    climbed = [
        minimize(loss, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds)
        for start in 0.01 + 0.9 * np.eye(len(kernels))
    ]
    variances: Floats = spread * np.exp(min(climbed, key=lambda end: end.fun).x)
    return variances


def _kernels(levels: Ints) -> Floats:
    """Agreement of any two configurations, shape (3, n, n).

    In their settings, in their pairs of settings, and as a whole.
    """
    n, levels = levels.shape[1], _distinct(levels)
    pairs = [_levels(zip(a, b, strict=True)) for a, b in itertools.combinations(levels.tolist(), 2)]
    both = _distinct(np.array([*levels, *pairs]).reshape(-1, n))[len(levels) :]
    return np.stack([_agreeing(levels), _agreeing(both), np.eye(n)])


def _agreeing(levels: Ints) -> Floats:
    """Share of the settings in which configurations agree, shape (n, n)."""
    n = levels.shape[1]
    same: Floats = (levels[:, :, None] == levels[:, None, :]).sum(axis=0) / max(1, len(levels))
    return same if len(levels) else np.zeros((n, n))


def _distinct(levels: Ints) -> Ints:
    """Drops constant settings, and those that separate the same configurations as another."""
    distinct = dict.fromkeys(tuple(_levels(row)) for row in levels.tolist())
    return np.array([row for row in distinct if max(row) > 0], dtype=np.int64).reshape(
        -1, levels.shape[1]
    )


def _levels(values: Iterable[object]) -> list[int]:
    """Numbers the values in the order of their first appearance."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def _leaves(node: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Every setting of a configuration as JSON, with its dotted name."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{name}.{key}")
    else:
        yield name, node

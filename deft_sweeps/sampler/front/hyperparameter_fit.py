"""Length scales and variances of the kernel, those of the highest posterior density; numpy and scipy only.

The priors are log-normal and hold the model to something sensible while there are few trials. The gradient is that of Rasmussen and
Williams, Gaussian Processes for Machine Learning (2006), chapter 5.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

from deft_sweeps.sampler.front.kernel import JITTER, Floats, Hyper, Rows, standardised, unsure_of

_PRIOR_SD = 1.0


def fit(rows: Rows, y: Floats, groups: Sequence[int], ordered: Sequence[bool], *, n_iterations: int = 40) -> Hyper:
    """Length scales and variances of the highest posterior density, from the prior's medians.

    Args:
        rows: where values are known.
        y: values, shape (n,).
        groups: of each coordinate of `rows.x`, counted from 0.
        ordered: of each group, whether it is a number's.
        n_iterations: of L-BFGS, at most.
    """
    distances = _distances(groups, rows)
    same = (rows.training[:, None] == rows.training[None]).astype(float)
    start = Hyper.prior(ordered).vector()
    standard, _, scale = standardised(rows, y)
    unsure = unsure_of(rows, scale)

    def loss(vector: Floats) -> tuple[float, Floats]:
        return _negative_log_posterior(vector, start, distances, same, unsure, standard)

    bounds = [(value - 4.0, value + 4.0) for value in start]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": n_iterations})
    return Hyper.of(found.x)


def _distances(groups: Sequence[int], rows: Rows) -> Floats:
    """Squared distances between rows by group, then of thresholds; shape (groups + 1, n, n)."""
    n_groups = max(groups, default=-1) + 1
    found = np.zeros((n_groups + 1, len(rows), len(rows)))
    for column, group in enumerate(groups):
        found[group] += (rows.x[:, None, column] - rows.x[None, :, column]) ** 2
    found[-1] = (rows.at[:, None] - rows.at[None]) ** 2
    return found


def _parts(hyper: Hyper, distances: Floats) -> tuple[Floats, Floats, Floats]:
    """Kernels of f and g, and of h but for whether the training is the same."""
    by_config = np.tensordot(np.exp(hyper.groups), distances[:-1], axes=1) if len(hyper.groups) else 0.0
    by_point = np.exp(hyper.at) * distances[-1]
    shared = np.exp(hyper.shared - 0.5 * np.exp(hyper.shared_at) * distances[-1])
    config = np.exp(hyper.config - 0.5 * (by_config + by_point))
    seed = np.exp(hyper.seed - 0.5 * by_point)
    return shared, config, seed


def _negative_log_posterior(
    vector: Floats, prior: Floats, distances: Floats, same: Floats, unsure: Floats, y: Floats
) -> tuple[float, Floats]:
    """With its gradient."""
    hyper = Hyper.of(vector)
    shared, config, seed = _parts(hyper, distances)
    seed = seed * same
    kernel = shared + config + seed + unsure
    noise = np.exp(hyper.noise)
    kernel[np.diag_indices_from(kernel)] += noise + JITTER
    factor = cholesky(kernel, lower=True, check_finite=False)
    weights = cho_solve((factor, True), y, check_finite=False)
    half, _ = dpotri(factor, lower=True)
    inverse = np.tril(half) + np.tril(half, -1).T
    # d/dp of the log likelihood is tr((a a' - K^-1) dK/dp) / 2.
    pull = 0.5 * (np.outer(weights, weights) - inverse)
    of_config, of_seed, of_shared = pull * config, pull * seed, pull * shared
    of_point = of_config + of_seed
    scales = np.exp(vector)
    gradient = np.concatenate(
        [
            -0.5 * np.exp(hyper.groups) * np.tensordot(distances[:-1], of_config, axes=([1, 2], [0, 1])),
            [
                -0.5 * scales[-6] * np.sum(of_point * distances[-1]),
                -0.5 * scales[-5] * np.sum(of_shared * distances[-1]),
                np.sum(of_shared),
                np.sum(of_config),
                np.sum(of_seed),
                noise * np.trace(pull),
            ],
        ]
    )
    away = (vector - prior) / _PRIOR_SD
    likelihood = -0.5 * float(y @ weights) - float(np.log(np.diag(factor)).sum())
    return -likelihood + 0.5 * float(away @ away), -gradient + away / _PRIOR_SD

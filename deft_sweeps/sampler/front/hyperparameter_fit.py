"""Fits the kernel's hyperparameters by maximising their posterior density. Needs numpy and scipy.

Independent log-normal priors keep the length scales and variances in a sensible range while there
are few trials. Marginal likelihood and gradient are equations 5.8 and 5.9 of Rasmussen and
Williams, Gaussian Processes for Machine Learning (2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

from deft_sweeps.sampler.front.array_type import Floats
from deft_sweeps.sampler.front.kernel import (
    JITTER,
    Inputs,
    LogHyperparameters,
    rung_covariance,
    standardise,
)

_PRIOR_DEVIATION = 1.0
"""Standard deviation of each logarithm under its prior."""
_MAX_SHIFT = 4.0
"""Bound of each logarithm's distance to its prior median."""
_MAX_ITERATIONS = 40
"""Of L-BFGS-B."""


def fit_hyperparameters(
    inputs: Inputs,
    targets: Floats,
    coordinate_groups: Sequence[int],
    group_is_numeric: Sequence[bool],
) -> LogHyperparameters:
    """Maximises the posterior density, starting at the prior medians.

    Args:
        inputs: of the observed points.
        targets: their values, not standardised, shape (n,).
        coordinate_groups: group of each coordinate of a configuration, numbered from 0.
        group_is_numeric: per group, whether it encodes a number.
    """
    start = LogHyperparameters.prior_medians(group_is_numeric).to_vector()
    standardised, _, scale = standardise(inputs, targets)
    objective = _NegativeLogPosterior(
        prior_medians=start,
        distances=_squared_distances(inputs, coordinate_groups),
        same_training=(inputs.trainings[:, None] == inputs.trainings[None]).astype(float),
        extra_covariance=rung_covariance(inputs, scale),
        targets=standardised,
    )
    bounds = [(value - _MAX_SHIFT, value + _MAX_SHIFT) for value in start]
    options = {"maxiter": _MAX_ITERATIONS}
    optimum = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return LogHyperparameters.from_vector(optimum.x)


@dataclass(frozen=True)
class _NegativeLogPosterior:
    """Negative log posterior density of a vector of log hyperparameters, and its gradient.

    Attributes:
        prior_medians: logarithms, shape (G + 6,).
        distances: squared distances by group, then along thresholds, shape (G + 1, n, n).
        same_training: 1 where two rows are of one training, else 0, shape (n, n).
        extra_covariance: of targets that were estimated at rungs, shape (n, n).
        targets: standardised, shape (n,).
    """

    prior_medians: Floats
    distances: Floats
    same_training: Floats
    extra_covariance: Floats
    targets: Floats

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        log = LogHyperparameters.from_vector(vector)
        shared, configuration, training = self._kernel_parts(log)
        kernel = shared + configuration + training + self.extra_covariance
        noise = float(np.exp(log.noise_variance))
        kernel[np.diag_indices_from(kernel)] += noise + JITTER
        factor = cholesky(kernel, lower=True, check_finite=False)
        alpha = cho_solve((factor, True), self.targets, check_finite=False)
        half, _ = dpotri(factor, lower=True)
        inverse = np.tril(half) + np.tril(half, -1).T
        # The log likelihood's derivative by a parameter p is tr((alpha alpha' - K^-1) dK/dp) / 2.
        pull = 0.5 * (np.outer(alpha, alpha) - inverse)
        gradient = self._likelihood_gradient(
            log, pull * shared, pull * configuration, pull * training, noise * np.trace(pull)
        )
        shift = (vector - self.prior_medians) / _PRIOR_DEVIATION
        log_determinant_half = float(np.log(np.diag(factor)).sum())
        likelihood = -0.5 * float(self.targets @ alpha) - log_determinant_half
        loss = -likelihood + 0.5 * float(shift @ shift)
        return loss, -gradient + shift / _PRIOR_DEVIATION

    def _kernel_parts(self, log: LogHyperparameters) -> tuple[Floats, Floats, Floats]:
        """Covariances of f, g and h, shape (n, n) each."""
        by_group, by_threshold = self.distances[:-1], self.distances[-1]
        scaled: Floats | float = 0.0
        if len(log.group_weights):
            scaled = np.tensordot(np.exp(log.group_weights), by_group, axes=1)
        along = np.exp(log.threshold_weight) * by_threshold
        shared_weight = np.exp(log.shared_threshold_weight)
        shared = np.exp(log.shared_variance - 0.5 * shared_weight * by_threshold)
        configuration = np.exp(log.configuration_variance - 0.5 * (scaled + along))
        training = np.exp(log.training_variance - 0.5 * along)
        return shared, configuration, training * self.same_training

    def _likelihood_gradient(
        self,
        log: LogHyperparameters,
        shared: Floats,
        configuration: Floats,
        training: Floats,
        noise: float,
    ) -> Floats:
        """Gradient of the log likelihood, shape (G + 6,).

        Args:
            log: where it is taken.
            shared: covariance of f, multiplied elementwise by (alpha alpha' - K^-1) / 2.
            configuration: the same of g.
            training: the same of h.
            noise: derivative by the log noise variance.
        """
        by_group, by_threshold = self.distances[:-1], self.distances[-1]
        groups = np.tensordot(by_group, configuration, axes=([1, 2], [0, 1]))
        threshold_weight = np.exp(log.threshold_weight)
        shared_weight = np.exp(log.shared_threshold_weight)
        scalars = [
            -0.5 * threshold_weight * np.sum((configuration + training) * by_threshold),
            -0.5 * shared_weight * np.sum(shared * by_threshold),
            np.sum(shared),
            np.sum(configuration),
            np.sum(training),
            noise,
        ]
        return np.concatenate([-0.5 * np.exp(log.group_weights) * groups, scalars])


def _squared_distances(inputs: Inputs, coordinate_groups: Sequence[int]) -> Floats:
    """Squared distances of rows by group, then along thresholds, shape (G + 1, n, n)."""
    n_groups = max(coordinate_groups, default=-1) + 1
    distances = np.zeros((n_groups + 1, len(inputs), len(inputs)))
    for column, group in enumerate(coordinate_groups):
        coordinate = inputs.configurations[:, column]
        distances[group] += (coordinate[:, None] - coordinate[None]) ** 2
    distances[-1] = (inputs.thresholds[:, None] - inputs.thresholds[None]) ** 2
    return distances

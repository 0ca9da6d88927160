"""Gaussian process regression with the kernel of `kernel`. Needs only numpy and scipy.

Posterior mean and covariance are equations 2.25 and 2.26 of Rasmussen and Williams, Gaussian
Processes for Machine Learning (2006), computed by their algorithm 2.1.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from deft_sweeps.sampler.front.array_type import Floats, Ints
from deft_sweeps.sampler.front.kernel import Inputs, Kernel, rung_covariance, standardise


@dataclass(frozen=True)
class GaussianProcess:
    """A Gaussian process conditioned on observed points.

    Attributes:
        mean, scale: a target y is modelled as (y - mean) / scale.
        targets: standardised, shape (n,).
        alpha: K^-1 targets, shape (n,).
        factor: lower Cholesky factor of K, shape (n, n).
    """

    kernel: Kernel
    inputs: Inputs
    mean: float
    scale: float
    targets: Floats
    alpha: Floats
    factor: Floats

    def posterior(self, candidates: Inputs, n_thresholds: int) -> "CandidatePosterior":
        """The posterior of new trainings, noise e excluded.

        Args:
            candidates: `n_thresholds` rows per candidate, the same thresholds for each.
            n_thresholds: T.
        """
        cross = self.kernel.cross_covariance(self.inputs, candidates, n_thresholds)
        half = solve_triangular(self.factor, cross, lower=True, check_finite=False)
        one_training = candidates.select(slice(n_thresholds))
        prior = self.kernel.covariance(one_training, one_training, same_training=True)
        per_candidate = half.reshape(len(self.inputs), -1, n_thresholds)
        explained = np.einsum("nci,ncj->cij", per_candidate, per_candidate, optimize=True)
        means = (cross.T @ self.alpha).reshape(-1, n_thresholds)
        return CandidatePosterior(
            self, candidates, n_thresholds, means, half, half[:0], prior[None] - explained
        )

    def condition_on_observations(self, inputs: Inputs, targets: Floats) -> "GaussianProcess":
        """Conditions on further exact targets; mean and scale stay as they are.

        Args:
            inputs: of the new points, shape (k,).
            targets: not standardised, shape (k,).
        """
        k = len(inputs)
        every = self.inputs.concatenate(inputs)
        cross = self.kernel.covariance(self.inputs, inputs)
        covariance = self.kernel.covariance(inputs, inputs)
        covariance[np.diag_indices(k)] += self.kernel.noise_variance
        half = solve_triangular(self.factor, cross, lower=True, check_finite=False)
        factor = np.zeros((len(every), len(every)))
        factor[:-k, :-k], factor[-k:, :-k] = self.factor, half.T
        factor[-k:, -k:] = cholesky(covariance - half.T @ half, lower=True, check_finite=False)
        standardised = np.concatenate([self.targets, (targets - self.mean) / self.scale])
        alpha = cho_solve((factor, True), standardised, check_finite=False)
        return replace(self, inputs=every, targets=standardised, alpha=alpha, factor=factor)


@dataclass
class CandidatePosterior:
    """The joint posterior of every candidate's points.

    Attributes:
        means: standardised, shape (c, T).
        half: L^-1 times the cross covariance, shape (n, c T).
        fantasy_half: the same for fantasised points: the rows that L^-1 would have below,
            shape (fantasised points, c T).
        covariances: standardised, shape (c, T, T).
    """

    process: GaussianProcess
    candidates: Inputs
    n_thresholds: int
    means: Floats
    half: Floats
    fantasy_half: Floats
    covariances: Floats

    @property
    def mean(self) -> Floats:
        """In the unit of the targets, shape (c, T)."""
        return self.process.mean + self.process.scale * self.means

    @property
    def covariance(self) -> Floats:
        """In the squared unit of the targets, shape (c, T, T)."""
        return self.process.scale**2 * self.covariances

    def fantasize(self, i: int) -> None:
        """Conditions on candidate i giving its posterior means.

        The means of all candidates stay as they are and their covariances shrink: the "kriging
        believer" of Ginsbourger, Le Riche and Carraro, Kriging is well-suited to parallelize
        optimization (2010).
        """
        kernel, n_thresholds = self.process.kernel, self.n_thresholds
        rows = slice(i * n_thresholds, (i + 1) * n_thresholds)
        cross = kernel.cross_covariance(self.candidates.select(rows), self.candidates, n_thresholds)
        cross -= self.half[:, rows].T @ self.half + self.fantasy_half[:, rows].T @ self.fantasy_half
        covariance = self.covariances[i] + kernel.noise_variance * np.eye(n_thresholds)
        factor = cholesky(covariance, lower=True, check_finite=False)
        new_half = solve_triangular(factor, cross, lower=True, check_finite=False)
        self.fantasy_half = np.concatenate([self.fantasy_half, new_half])
        per_candidate = new_half.reshape(n_thresholds, -1, n_thresholds)
        explained = np.einsum("nci,ncj->cij", per_candidate, per_candidate, optimize=True)
        self.covariances = self.covariances - explained

    def select(self, candidates: Ints) -> "CandidatePosterior":
        """Returns the posterior of these candidates alone."""
        rows = (candidates[:, None] * self.n_thresholds + np.arange(self.n_thresholds)).reshape(-1)
        return CandidatePosterior(
            self.process,
            self.candidates.select(rows),
            self.n_thresholds,
            self.means[candidates],
            self.half[:, rows],
            self.fantasy_half[:, rows],
            self.covariances[candidates],
        )


def condition(kernel: Kernel, inputs: Inputs, targets: Floats) -> GaussianProcess:
    """Conditions the prior on observed points.

    Args:
        kernel: of standardised targets.
        inputs: of the observed points.
        targets: not standardised, shape (n,).
    """
    standardised, mean, scale = standardise(inputs, targets)
    covariance = kernel.covariance(inputs, inputs) + rung_covariance(inputs, scale)
    covariance[np.diag_indices_from(covariance)] += kernel.noise_variance
    factor = cholesky(covariance, lower=True, check_finite=False)
    alpha = cho_solve((factor, True), standardised, check_finite=False)
    return GaussianProcess(kernel, inputs, mean, scale, standardised, alpha, factor)

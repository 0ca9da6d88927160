"""A Gaussian process over trials and thresholds, of the kernel in `kernel`; numpy and scipy only.

The formulas are those of Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapter 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from deft_sweeps.sampler.front.kernel import JITTER, Floats, Hyper, Ints, Rows, cross_of, kernel_of, standardised, unsure_of


@dataclass(frozen=True)
class Process:
    """A Gaussian process conditioned on values.

    Attributes:
        mean, scale: of the values, which are modelled as (y - mean) / scale.
        told: those, shape (n,).
        weights: K^-1 times them, shape (n,).
        factor: lower Cholesky factor of K, shape (n, n).
    """

    rows: Rows
    groups: tuple[int, ...]
    hyper: Hyper
    mean: float
    scale: float
    told: Floats
    weights: Floats
    factor: Floats

    def predict(self, asked: Rows, n_each: int) -> tuple[Floats, Floats]:
        """What a new training of each configuration would give, e left out.

        Args:
            asked: rows of one configuration after the other, at the same thresholds each.
            n_each: rows of each.

        Returns:
            Means, shape (configurations, n_each), and covariances, shape (configurations, n_each, n_each).
        """
        outlook = self.outlook(asked, n_each)
        return outlook.mean, outlook.covariance

    def outlook(self, asked: Rows, n_each: int) -> "Outlook":
        """What new trainings would give, told so that some of them can be believed; arguments as of `predict`."""
        cross = cross_of(self.hyper, self.groups, self.rows, asked, n_each)
        half = solve_triangular(self.factor, cross, lower=True, check_finite=False)
        own = kernel_of(self.hyper, self.groups, *(asked.only(slice(n_each)),) * 2, same_training=True)
        reduced = half.reshape(len(self.rows), -1, n_each)
        covariance = own[None] - np.einsum("nci,ncj->cij", reduced, reduced, optimize=True)
        return Outlook(self, asked, n_each, (cross.T @ self.weights).reshape(-1, n_each), half, half[:0], covariance)


@dataclass
class Outlook:
    """A process at places that are asked for.

    Attributes:
        means: of the standardised values, shape (configurations, n_each); what is believed of one changes none.
        half: solve(factor, cross kernel), shape (rows, configurations x n_each).
        grown: the same for what is believed; the factor would have these rows below, shape (rows believed, configurations x n_each).
        covariances: of the standardised values, shape (configurations, n_each, n_each).
    """

    process: Process
    asked: Rows
    n_each: int
    means: Floats
    half: Floats
    grown: Floats
    covariances: Floats

    @property
    def mean(self) -> Floats:
        """In the values' unit, shape (configurations, n_each)."""
        return self.process.mean + self.process.scale * self.means

    @property
    def covariance(self) -> Floats:
        """In the values' unit, shape (configurations, n_each, n_each)."""
        return self.process.scale**2 * self.covariances

    def believe(self, i: int) -> None:
        """Take a training of the i-th configuration to give its means, as `joined` would: less is unsure about those like it."""
        process, at = self.process, slice(i * self.n_each, (i + 1) * self.n_each)
        cross = cross_of(process.hyper, process.groups, self.asked.only(at), self.asked, self.n_each)
        cross -= self.half[:, at].T @ self.half + self.grown[:, at].T @ self.grown
        known = self.covariances[i] + (np.exp(process.hyper.noise) + JITTER) * np.eye(self.n_each)
        more = solve_triangular(cholesky(known, lower=True, check_finite=False), cross, lower=True, check_finite=False)
        self.grown = np.concatenate([self.grown, more])
        reduced = more.reshape(self.n_each, -1, self.n_each)
        self.covariances = self.covariances - np.einsum("nci,ncj->cij", reduced, reduced, optimize=True)

    def only(self, which: Ints) -> "Outlook":
        """The same for these configurations alone."""
        columns = (which[:, None] * self.n_each + np.arange(self.n_each)).reshape(-1)
        half, grown = self.half[:, columns], self.grown[:, columns]
        return Outlook(self.process, self.asked.only(columns), self.n_each, self.means[which], half, grown, self.covariances[which])


def condition(rows: Rows, y: Floats, groups: Sequence[int], hyper: Hyper) -> Process:
    """The process given values at rows."""
    standard, mean, scale = standardised(rows, y)
    kernel = kernel_of(hyper, groups, rows, rows, same_training=None) + unsure_of(rows, scale)
    kernel[np.diag_indices_from(kernel)] += np.exp(hyper.noise) + JITTER
    factor = cholesky(kernel, lower=True, check_finite=False)
    return Process(rows, tuple(groups), hyper, mean, scale, standard, cho_solve((factor, True), standard, check_finite=False), factor)


def joined(process: Process, rows: Rows, y: Floats) -> Process:
    """The process given these values too, taken for sure; they are not looked at for its mean and scale."""
    every = Rows(*(np.concatenate([a, b]) for a, b in zip(process.rows.arrays, rows.arrays, strict=True)))
    n, cross = len(rows), kernel_of(process.hyper, process.groups, process.rows, rows, same_training=None)
    own = kernel_of(process.hyper, process.groups, rows, rows, same_training=None)
    own[np.diag_indices(n)] += np.exp(process.hyper.noise) + JITTER
    half = solve_triangular(process.factor, cross, lower=True, check_finite=False)
    factor = np.zeros((len(every), len(every)))
    factor[:-n, :-n], factor[-n:, :-n] = process.factor, half.T
    factor[-n:, -n:] = cholesky(own - half.T @ half, lower=True, check_finite=False)
    told = np.concatenate([process.told, (y - process.mean) / process.scale])
    weights = cho_solve((factor, True), told, check_finite=False)
    return replace(process, rows=every, told=told, weights=weights, factor=factor)

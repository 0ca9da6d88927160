"""A Gaussian process over trials, rungs and thresholds at once; numpy and scipy only.

One objective's value of a trial x at a threshold t and the share s of its steps is modelled as

    y = f(t, s) + g(x, t, s) + h(x, t, s) + e

f is what all trials share (how density falls with a threshold, how a score grows while training), g what a configuration adds, h what
this one training of it adds (its seed: independent between trainings, shared by a training's own points), e what is left. f, g and h are
Gaussian processes with squared exponential kernels, one length scale for each group of coordinates; see Rasmussen and Williams, Gaussian
Processes for Machine Learning (2006), chapters 2 and 5. Length scales and variances are those of the highest posterior density under
log-normal priors, which hold the model to something sensible while there are few trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_JITTER = 1e-6
_PRIOR_SD = 1.0
_LOG_WEIGHT = {"member": np.log(0.5), "number": np.log(2.0), "threshold": np.log(1.0), "share": np.log(1.0)}
"""Prior medians of the inverse squared length scales."""
_LOG_VARIANCE = {"shared": np.log(1.0), "config": np.log(0.5), "seed": np.log(0.03), "noise": np.log(0.01)}
"""Prior medians of the variances of f, g, h and e, of values with variance 1."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Places where a value is known, or asked for.

    Attributes:
        x: configurations, shape (n, coordinates).
        at: threshold's place in the ladder, in [0, 1], shape (n,).
        share: log of the share of the steps done, 0 for all of them, scaled to [-1, 0], shape (n,).
        training: number of the training that the row is of, shape (n,).
    """

    x: Floats
    at: Floats
    share: Floats
    training: Ints

    def __len__(self) -> int:
        return len(self.at)

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats, Ints]:
        return self.x, self.at, self.share, self.training


@dataclass(frozen=True, slots=True)
class Hyper:
    """Inverse squared length scales and variances, as their logarithms."""

    groups: Floats
    at: float
    share: float
    shared_at: float
    shared_share: float
    shared: float
    config: float
    seed: float
    noise: float

    def vector(self) -> Floats:
        rest = [self.at, self.share, self.shared_at, self.shared_share, self.shared, self.config, self.seed, self.noise]
        return np.concatenate([self.groups, rest])

    @staticmethod
    def of(vector: Floats) -> "Hyper":
        return Hyper(vector[:-8], *(float(v) for v in vector[-8:]))

    @staticmethod
    def prior(ordered: Sequence[bool]) -> "Hyper":
        w, v = _LOG_WEIGHT, _LOG_VARIANCE
        groups = np.array([w["number" if number else "member"] for number in ordered], dtype=np.float64)
        return Hyper(groups, w["threshold"], w["share"], w["threshold"], w["share"], v["shared"], v["config"], v["seed"], v["noise"])


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
            asked: rows of one configuration after the other, at the same thresholds and shares each.
            n_each: rows of each.

        Returns:
            Means, shape (configurations, n_each), and covariances, shape (configurations, n_each, n_each).
        """
        outlook = self.outlook(asked, n_each)
        return outlook.mean, outlook.covariance

    def outlook(self, asked: Rows, n_each: int) -> "Outlook":
        """What new trainings would give, told so that some of them can be believed; arguments as of `predict`."""
        cross = _cross(self.hyper, self.groups, self.rows, asked, n_each)
        half = solve_triangular(self.factor, cross, lower=True, check_finite=False)
        own = _kernel(self.hyper, self.groups, *(_part(asked, slice(n_each)),) * 2, same_training=True)
        reduced = half.reshape(len(self.rows), -1, n_each)
        covariance = own[None] - np.einsum("nci,ncj->cij", reduced, reduced, optimize=True)
        return Outlook(self, asked, n_each, (cross.T @ self.weights).reshape(-1, n_each), half, covariance)


@dataclass
class Outlook:
    """A process at places that are asked for.

    Attributes:
        means: of the standardised values, shape (configurations, n_each); what is believed of one changes none.
        half: solve(factor, cross kernel), grown by what is believed, shape (rows, configurations x n_each).
        covariances: of the standardised values, shape (configurations, n_each, n_each).
    """

    process: Process
    asked: Rows
    n_each: int
    means: Floats
    half: Floats
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
        cross = _cross(process.hyper, process.groups, _part(self.asked, at), self.asked, self.n_each) - self.half[:, at].T @ self.half
        known = self.covariances[i] + (np.exp(process.hyper.noise) + _JITTER) * np.eye(self.n_each)
        more = solve_triangular(cholesky(known, lower=True, check_finite=False), cross, lower=True, check_finite=False)
        self.half = np.concatenate([self.half, more])
        reduced = more.reshape(self.n_each, -1, self.n_each)
        self.covariances = self.covariances - np.einsum("nci,ncj->cij", reduced, reduced, optimize=True)


def fit(rows: Rows, y: Floats, groups: Sequence[int], ordered: Sequence[bool], *, n_iterations: int = 40) -> Hyper:
    """Length scales and variances of the highest posterior density, from the prior's medians.

    Args:
        rows: where values are known.
        y: values, shape (n,).
        groups: of each coordinate of `rows.x`, counted from 0.
        ordered: of each group, whether it is a number's.
        n_iterations: of L-BFGS, at most.
    """
    distances = _distances(groups, rows, rows)
    same = (rows.training[:, None] == rows.training[None]).astype(float)
    start = Hyper.prior(ordered).vector()
    standard, _, _ = _standardised(y)

    def loss(vector: Floats) -> tuple[float, Floats]:
        return _negative_log_posterior(vector, start, distances, same, standard)

    bounds = [(value - 4.0, value + 4.0) for value in start]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": n_iterations})
    return Hyper.of(found.x)


def condition(rows: Rows, y: Floats, groups: Sequence[int], hyper: Hyper) -> Process:
    """The process given values at rows."""
    standard, mean, scale = _standardised(y)
    kernel = _kernel(hyper, groups, rows, rows, same_training=None)
    kernel[np.diag_indices_from(kernel)] += np.exp(hyper.noise) + _JITTER
    factor = cholesky(kernel, lower=True, check_finite=False)
    return Process(rows, tuple(groups), hyper, mean, scale, standard, cho_solve((factor, True), standard, check_finite=False), factor)


def joined(process: Process, rows: Rows, y: Floats) -> Process:
    """The process given these values too; they are not looked at for its mean and scale."""
    every = Rows(*(np.concatenate([a, b]) for a, b in zip(process.rows.arrays, rows.arrays, strict=True)))
    n, cross = len(rows), _kernel(process.hyper, process.groups, process.rows, rows, same_training=None)
    own = _kernel(process.hyper, process.groups, rows, rows, same_training=None)
    own[np.diag_indices(n)] += np.exp(process.hyper.noise) + _JITTER
    half = solve_triangular(process.factor, cross, lower=True, check_finite=False)
    factor = np.zeros((len(every), len(every)))
    factor[:-n, :-n], factor[-n:, :-n] = process.factor, half.T
    factor[-n:, -n:] = cholesky(own - half.T @ half, lower=True, check_finite=False)
    told = np.concatenate([process.told, (y - process.mean) / process.scale])
    weights = cho_solve((factor, True), told, check_finite=False)
    return replace(process, rows=every, told=told, weights=weights, factor=factor)


def _standardised(y: Floats) -> tuple[Floats, float, float]:
    mean, scale = float(y.mean()), float(y.std()) or 1.0
    return (y - mean) / scale, mean, scale


def _distances(groups: Sequence[int], a: Rows, b: Rows) -> Floats:
    """Squared distances by group, then of thresholds, then of shares; shape (groups + 2, n_a, n_b)."""
    n_groups = max(groups, default=-1) + 1
    found = np.zeros((n_groups + 2, len(a), len(b)))
    for column, group in enumerate(groups):
        found[group] += (a.x[:, None, column] - b.x[None, :, column]) ** 2
    found[-2] = (a.at[:, None] - b.at[None]) ** 2
    found[-1] = (a.share[:, None] - b.share[None]) ** 2
    return found


def _parts(hyper: Hyper, distances: Floats) -> tuple[Floats, Floats, Floats]:
    """Kernels of f and g, and of h but for whether the training is the same."""
    by_config = np.tensordot(np.exp(hyper.groups), distances[:-2], axes=1) if len(hyper.groups) else 0.0
    by_point = np.exp(hyper.at) * distances[-2] + np.exp(hyper.share) * distances[-1]
    by_shared = np.exp(hyper.shared_at) * distances[-2] + np.exp(hyper.shared_share) * distances[-1]
    shared = np.exp(hyper.shared - 0.5 * by_shared)
    config = np.exp(hyper.config - 0.5 * (by_config + by_point))
    seed = np.exp(hyper.seed - 0.5 * by_point)
    return shared, config, seed


def _kernel(hyper: Hyper, groups: Sequence[int], a: Rows, b: Rows, *, same_training: bool | None) -> Floats:
    """f + g + h; whether rows are of the same training is told by `training` where `same_training` is None."""
    shared, by_point = _along(hyper, a, b)
    same = (a.training[:, None] == b.training[None]) if same_training is None else same_training
    total: Floats = shared + (np.exp(hyper.config - 0.5 * _apart(hyper, groups, a.x, b.x)) + np.exp(hyper.seed) * same) * by_point
    return total


def _cross(hyper: Hyper, groups: Sequence[int], a: Rows, asked: Rows, n_each: int) -> Floats:
    """f + g between rows and those of new trainings, as `Process.predict` is asked: each configuration is looked at once."""
    shared, by_point = _along(hyper, a, _part(asked, slice(n_each)))
    config = np.exp(hyper.config - 0.5 * _apart(hyper, groups, a.x, asked.x[::n_each]))
    total: Floats = config[:, :, None] * by_point[:, None] + shared[:, None]
    return total.reshape(len(a), len(asked))


def _along(hyper: Hyper, a: Rows, b: Rows) -> tuple[Floats, Floats]:
    """The kernel of f, and what those of g and h have in common, shape (n_a, n_b) each."""
    at, share = (a.at[:, None] - b.at[None]) ** 2, (a.share[:, None] - b.share[None]) ** 2
    shared = np.exp(hyper.shared - 0.5 * (np.exp(hyper.shared_at) * at + np.exp(hyper.shared_share) * share))
    return shared, np.exp(-0.5 * (np.exp(hyper.at) * at + np.exp(hyper.share) * share))


def _apart(hyper: Hyper, groups: Sequence[int], a: Floats, b: Floats) -> Floats:
    """Squared distances between configurations in length scales, shape (n_a, n_b)."""
    root = np.exp(0.5 * hyper.groups[list(groups)])
    a, b = a * root, b * root
    squared: Floats = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * (a @ b.T)
    return np.maximum(squared, 0.0)


def _part(rows: Rows, at: slice) -> Rows:
    return Rows(rows.x[at], rows.at[at], rows.share[at], rows.training[at])


def _negative_log_posterior(vector: Floats, prior: Floats, distances: Floats, same: Floats, y: Floats) -> tuple[float, Floats]:
    """With its gradient."""
    hyper = Hyper.of(vector)
    shared, config, seed = _parts(hyper, distances)
    seed = seed * same
    kernel = shared + config + seed
    noise = np.exp(hyper.noise)
    kernel[np.diag_indices_from(kernel)] += noise + _JITTER
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
            -0.5 * np.exp(hyper.groups) * np.tensordot(distances[:-2], of_config, axes=([1, 2], [0, 1])),
            [
                -0.5 * scales[-8] * np.sum(of_point * distances[-2]),
                -0.5 * scales[-7] * np.sum(of_point * distances[-1]),
                -0.5 * scales[-6] * np.sum(of_shared * distances[-2]),
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

"""The kernel: the prior covariance of a metric between trainings and thresholds. Needs only numpy.

The metric at the end of a training of configuration x, at threshold t, is modelled as

    y = f(t) + g(x, t) + h(x, t) + e

f is shared by all configurations (how density falls with a threshold), g is the configuration's
part and h the part of one training, caused by its seed: independent between trainings, shared by
the points of one training. e is independent noise. f, g and h are Gaussian processes with squared
exponential kernels and one length scale per group of coordinates (automatic relevance
determination: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 5.1).
The package's docstring lists the symbols.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.sampler.front.array_type import Bools, Floats, Ints

JITTER = 1e-6
"""Added to the noise variance: without any noise the covariance could not be factorised."""

_LOG_WEIGHT_MEDIANS = {"member": np.log(0.5), "number": np.log(2.0), "threshold": np.log(1.0)}
"""Prior medians of w_k, as logarithms, by what the group encodes."""
_LOG_VARIANCE_MEDIANS = {
    "shared": np.log(1.0),
    "configuration": np.log(0.5),
    "training": np.log(0.03),
    "noise": np.log(0.01),
}
"""Prior medians of the variances of f, g, h and e, as logarithms."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of the Gaussian process: one row per training and threshold.

    Attributes:
        configurations: encoded configurations x, shape (n, d).
        thresholds: positions t of the thresholds, in [0, 1], shape (n,).
        trainings: number of each row's training, shape (n,).
        training_variance, point_variance: extra variance of a target that was estimated at a rung,
            common to all rows of a training and of the row alone; 0 for targets that were measured
            at the end. Squared unit of the target, shape (n,).
    """

    configurations: Floats
    thresholds: Floats
    trainings: Ints
    training_variance: Floats
    point_variance: Floats

    def __len__(self) -> int:
        return len(self.thresholds)

    @property
    def is_exact(self) -> Bools:
        """Whether each row was measured at the end of its training, shape (n,)."""
        exact: Bools = self.training_variance + self.point_variance == 0
        return exact

    def select(self, rows: slice | NDArray[np.generic]) -> "Inputs":
        """Returns some of the rows."""
        return Inputs(
            self.configurations[rows],
            self.thresholds[rows],
            self.trainings[rows],
            self.training_variance[rows],
            self.point_variance[rows],
        )

    def concatenate(self, other: "Inputs") -> "Inputs":
        """Returns these rows followed by the other's."""
        return Inputs(
            np.concatenate([self.configurations, other.configurations]),
            np.concatenate([self.thresholds, other.thresholds]),
            np.concatenate([self.trainings, other.trainings]),
            np.concatenate([self.training_variance, other.training_variance]),
            np.concatenate([self.point_variance, other.point_variance]),
        )


@dataclass(frozen=True, slots=True)
class LogHyperparameters:
    """Logarithms of the kernel's hyperparameters.

    Attributes:
        group_weights: log w_k = -2 log l_k of each group of coordinates, shape (G,).
        threshold_weight: log w_t, along the thresholds in g and h.
        shared_threshold_weight: log w_f, along the thresholds in f.
        shared_variance, configuration_variance, training_variance, noise_variance: of f, g, h, e.
    """

    group_weights: Floats
    threshold_weight: float
    shared_threshold_weight: float
    shared_variance: float
    configuration_variance: float
    training_variance: float
    noise_variance: float

    def to_vector(self) -> Floats:
        """Returns them in the order of the attributes, shape (G + 6,)."""
        scalars = [
            self.threshold_weight,
            self.shared_threshold_weight,
            self.shared_variance,
            self.configuration_variance,
            self.training_variance,
            self.noise_variance,
        ]
        return np.concatenate([self.group_weights, scalars])

    @staticmethod
    def from_vector(vector: Floats) -> "LogHyperparameters":
        """Inverse of `to_vector`."""
        return LogHyperparameters(vector[:-6], *(float(value) for value in vector[-6:]))

    @staticmethod
    def prior_medians(group_is_numeric: Sequence[bool]) -> "LogHyperparameters":
        """The medians of the log-normal priors.

        Args:
            group_is_numeric: per group, whether it encodes a number instead of a choice.
        """
        weights, variances = _LOG_WEIGHT_MEDIANS, _LOG_VARIANCE_MEDIANS
        kinds = ["number" if is_numeric else "member" for is_numeric in group_is_numeric]
        return LogHyperparameters(
            np.array([weights[kind] for kind in kinds], dtype=np.float64),
            weights["threshold"],
            weights["threshold"],
            variances["shared"],
            variances["configuration"],
            variances["training"],
            variances["noise"],
        )


@dataclass(frozen=True, slots=True)
class Kernel:
    """Covariances of standardised targets.

    Attributes:
        log: hyperparameters.
        coordinate_groups: group of each coordinate of x, length d.
    """

    log: LogHyperparameters
    coordinate_groups: tuple[int, ...]

    @property
    def noise_variance(self) -> float:
        """Variance of e, with the jitter."""
        return float(np.exp(self.log.noise_variance) + JITTER)

    def covariance(self, a: Inputs, b: Inputs, *, same_training: bool | None = None) -> Floats:
        """Covariance of f + g + h between two sets of rows, shape (n_a, n_b).

        Args:
            a: rows.
            b: other rows.
            same_training: whether all rows are of one training; None compares `Inputs.trainings`.
        """
        shared, along_thresholds = self._threshold_kernels(a, b)
        same = a.trainings[:, None] == b.trainings[None] if same_training is None else same_training
        distances = self._squared_distances(a.configurations, b.configurations)
        configuration = np.exp(self.log.configuration_variance - 0.5 * distances)
        training = np.exp(self.log.training_variance) * same
        total: Floats = shared + (configuration + training) * along_thresholds
        return total

    def cross_covariance(self, a: Inputs, candidates: Inputs, n_thresholds: int) -> Floats:
        """Covariance of f + g between rows and new trainings, shape (n_a, c T).

        A new training shares no h with the rows. Each candidate's distance is computed only once.

        Args:
            a: rows.
            candidates: `n_thresholds` rows per candidate, the same thresholds for each.
            n_thresholds: T.
        """
        shared, along_thresholds = self._threshold_kernels(
            a, candidates.select(slice(n_thresholds))
        )
        each_candidate = candidates.configurations[::n_thresholds]
        distances = self._squared_distances(a.configurations, each_candidate)
        configuration = np.exp(self.log.configuration_variance - 0.5 * distances)
        total: Floats = configuration[:, :, None] * along_thresholds[:, None] + shared[:, None]
        return total.reshape(len(a), len(candidates))

    def _threshold_kernels(self, a: Inputs, b: Inputs) -> tuple[Floats, Floats]:
        """The kernel of f, and the factor along thresholds of g and h, shape (n_a, n_b) each."""
        squared = (a.thresholds[:, None] - b.thresholds[None]) ** 2
        shared_weight = np.exp(self.log.shared_threshold_weight)
        shared = np.exp(self.log.shared_variance - 0.5 * shared_weight * squared)
        return shared, np.exp(-0.5 * np.exp(self.log.threshold_weight) * squared)

    def _squared_distances(self, a: Floats, b: Floats) -> Floats:
        """Squared distances of configurations in units of the length scales, shape (n_a, n_b)."""
        inverse_length_scales = np.exp(0.5 * self.log.group_weights[list(self.coordinate_groups)])
        a, b = a * inverse_length_scales, b * inverse_length_scales
        squared: Floats = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * (a @ b.T)
        return np.maximum(squared, 0.0)


def standardise(inputs: Inputs, targets: Floats) -> tuple[Floats, float, float]:
    """Standardises targets by the exact ones, or by all if none is exact.

    Returns:
        Standardised targets of shape (n,), and the mean and scale that were used.
    """
    exact = targets[inputs.is_exact] if inputs.is_exact.any() else targets
    mean, scale = float(exact.mean()), float(exact.std()) or 1.0
    return (targets - mean) / scale, mean, scale


def rung_covariance(inputs: Inputs, scale: float) -> Floats:
    """Extra covariance of standardised targets that were estimated at rungs, shape (n, n).

    Args:
        inputs: rows with their extra variances.
        scale: of the standardised targets.
    """
    deviation = np.sqrt(inputs.training_variance) / scale
    same = inputs.trainings[:, None] == inputs.trainings[None]
    covariance = np.where(same, deviation[:, None] * deviation[None], 0.0)
    covariance[np.diag_indices_from(covariance)] += inputs.point_variance / scale**2
    return covariance

"""Predicts a metric at the end of a training from its value at a rung. Needs only numpy.

Trainings that were measured both at a rung and at their end give a linear model of the rung,

    r = a + b y + u + v

with an intercept a for each threshold, one slope b, a deviation u common to the points of a
training, and a deviation v of each point; u and v are independent and normal with mean 0. Solved
for y, a training that did not reach its end is a noisy measurement of it: (r - a) / b with the
variance of u + v over b^2. This is the classical estimator of statistical calibration (Osborne,
Statistical Calibration: A Review, International Statistical Review 59, 1991). Uninformative rungs
have a small slope beside the deviations, so the model learns little from them.
"""

from dataclasses import dataclass

import numpy as np

from deft_sweeps.sampler.front.array_type import Bools, Floats

PRIOR_TRAININGS = 1.0
"""Weight, in trainings, of the prior that rung values carry no information about the end."""


@dataclass(frozen=True, slots=True)
class RungModel:
    """The linear model of one metric at one rung; values on the scale of the model.

    Attributes:
        rung_means, final_means: means over trainings at each threshold, nan where none was
            measured, shape (T,).
        slope: b, > 0.
        training_variance: of u, with the uncertainty of the slope.
        point_variance: of v.
    """

    rung_means: Floats
    final_means: Floats
    slope: float
    training_variance: float
    point_variance: float

    def predict_final(self, rung_value: float, threshold_index: int) -> float:
        """The value at the end, nan at a threshold where no training was measured."""
        deviation = rung_value - self.rung_means[threshold_index]
        return float(self.final_means[threshold_index] + deviation / self.slope)

    @property
    def final_variances(self) -> tuple[float, float]:
        """Variances of `predict_final` that come from u and from v."""
        return self.training_variance / self.slope**2, self.point_variance / self.slope**2


def fit_rung_model(rung_values: Floats, final_values: Floats) -> RungModel | None:
    """Fits the model; None with fewer than two trainings, or if the slope is not positive.

    Args:
        rung_values: at one rung, nan where not measured, shape (trainings, T).
        final_values: at the end, in the same shape.
    """
    pairs = _Pairs.of(rung_values, final_values)
    if pairs.n_trainings < 2:
        return None
    slope = pairs.slope
    if slope <= 0:
        return None
    training_variance, point_variance = pairs.variances(slope)
    slope_variance = pairs.slope_variance(training_variance, point_variance)
    return RungModel(
        pairs.rung_means,
        pairs.final_means,
        slope,
        training_variance + slope_variance * pairs.squares / pairs.n_points,
        point_variance,
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Trainings with a value at the rung and at the end, as deviations from each threshold's mean.

    Attributes:
        measured: whether both values exist, shape (trainings, T).
        rung_means, final_means: shape (T,).
        rungs, finals: deviations, 0 where not measured, shape (trainings, T).
        squares: sum of the squares of `finals`.
    """

    measured: Bools
    rung_means: Floats
    final_means: Floats
    rungs: Floats
    finals: Floats
    squares: float

    @staticmethod
    def of(rung_values: Floats, final_values: Floats) -> "_Pairs":
        both = np.isfinite(rung_values) & np.isfinite(final_values)
        used = both.any(axis=1)
        measured = both[used]
        rung_means, rungs = _deviations(rung_values[used], measured)
        final_means, finals = _deviations(final_values[used], measured)
        squares = float((finals**2).sum())
        return _Pairs(measured, rung_means, final_means, rungs, finals, squares)

    @property
    def n_trainings(self) -> int:
        return len(self.measured)

    @property
    def n_points(self) -> int:
        return int(self.measured.sum())

    @property
    def slope(self) -> float:
        """Least squares estimate of b, 0 if the values at the end do not vary."""
        return float((self.rungs * self.finals).sum()) / self.squares if self.squares > 0 else 0.0

    def variances(self, slope: float) -> tuple[float, float]:
        """Estimates of the variances of u and v: those of a one-way analysis of variance, and for u
        a prior that the whole variance of the rung is u's.
        """
        n = self.n_trainings
        residuals, n_each, n_free = (
            self.rungs - slope * self.finals,
            self.measured.sum(axis=1),
            n - 2,
        )
        means = residuals.sum(axis=1) / n_each
        within_deviations = np.where(self.measured, residuals - means[:, None], 0.0)
        within = float((within_deviations**2).sum())
        point_variance = within / max(1.0, (self.n_points - n) * n_free / n)
        between = float((means**2).sum()) / max(n_free, 1) - point_variance / float(n_each.mean())
        prior = float((self.rungs**2).sum()) / self.n_points * n / (n - 1)
        weighted = PRIOR_TRAININGS * prior + n_free * max(between, 0.0)
        return weighted / (PRIOR_TRAININGS + n_free), point_variance

    def slope_variance(self, training_variance: float, point_variance: float) -> float:
        """Variance of the estimated slope."""
        of_trainings = (self.finals.sum(axis=1) ** 2).sum() * training_variance
        return float(of_trainings + self.squares * point_variance) / self.squares**2


def _deviations(values: Floats, measured: Bools) -> tuple[Floats, Floats]:
    """Means of the measured values by threshold, nan without any; and deviations from them."""
    n = measured.sum(axis=0)
    sums = np.where(measured, values, 0.0).sum(axis=0)
    means: Floats = np.where(n > 0, sums / np.maximum(n, 1), np.nan)
    deviations: Floats = np.where(measured, values - means, 0.0)
    return means, deviations

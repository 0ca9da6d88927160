"""The kernel behind the model of a sweep: what values of trials and thresholds have to do with each other; numpy only.

One objective's value at the end of a training of x, at a threshold t, is modelled as

    y = f(t) + g(x, t) + h(x, t) + e

f is what all trials share (how density falls with a threshold), g what a configuration adds, h what this one training of it adds (its
seed: independent between trainings, shared by a training's own points), e what is left. f, g and h are Gaussian processes with squared
exponential kernels, one length scale for each group of coordinates. A row may be less sure than others, where a training did not come to
its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

JITTER = 1e-6
"""Added to the noise's variance: a kernel without any could not be factored."""
_LOG_WEIGHT = {"member": np.log(0.5), "number": np.log(2.0), "threshold": np.log(1.0)}
"""Prior medians of the inverse squared length scales."""
_LOG_VARIANCE = {"shared": np.log(1.0), "config": np.log(0.5), "seed": np.log(0.03), "noise": np.log(0.01)}
"""Prior medians of the variances of f, g, h and e, of values with variance 1."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Places where a value is known, or asked for.

    Attributes:
        x: configurations, shape (n, coordinates).
        at: threshold's place in the ladder, in [0, 1], shape (n,).
        training: number of the training that the row is of, shape (n,).
        common, own: variances of what makes the value unsure beside e, of all rows of a training together and of the row alone, in the
            value's unit squared; 0 of what was measured at a training's end, shape (n,).
    """

    x: Floats
    at: Floats
    training: Ints
    common: Floats
    own: Floats

    def __len__(self) -> int:
        return len(self.at)

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Which were measured at a training's end, shape (n,)."""
        known: NDArray[np.bool_] = self.common + self.own == 0
        return known

    @property
    def arrays(self) -> tuple[Floats, Floats, Ints, Floats, Floats]:
        return self.x, self.at, self.training, self.common, self.own

    def only(self, which: slice | NDArray[np.generic]) -> "Rows":
        """Some of them."""
        return Rows(self.x[which], self.at[which], self.training[which], self.common[which], self.own[which])


@dataclass(frozen=True, slots=True)
class Hyper:
    """Inverse squared length scales and variances, as their logarithms."""

    groups: Floats
    at: float
    shared_at: float
    shared: float
    config: float
    seed: float
    noise: float

    def vector(self) -> Floats:
        return np.concatenate([self.groups, [self.at, self.shared_at, self.shared, self.config, self.seed, self.noise]])

    @staticmethod
    def of(vector: Floats) -> "Hyper":
        return Hyper(vector[:-6], *(float(v) for v in vector[-6:]))

    @staticmethod
    def prior(ordered: Sequence[bool]) -> "Hyper":
        w, v = _LOG_WEIGHT, _LOG_VARIANCE
        groups = np.array([w["number" if number else "member"] for number in ordered], dtype=np.float64)
        return Hyper(groups, w["threshold"], w["threshold"], v["shared"], v["config"], v["seed"], v["noise"])


def standardised(rows: Rows, y: Floats) -> tuple[Floats, float, float]:
    """By what is sure, where anything is."""
    known = y[rows.sure] if rows.sure.any() else y
    mean, scale = float(known.mean()), float(known.std()) or 1.0
    return (y - mean) / scale, mean, scale


def unsure_of(rows: Rows, scale: float) -> Floats:
    """Covariance of what makes rows unsure beside e, of standardised values, shape (n, n)."""
    common = np.sqrt(rows.common) / scale
    found = np.where(rows.training[:, None] == rows.training[None], common[:, None] * common[None], 0.0)
    found[np.diag_indices_from(found)] += rows.own / scale**2
    return found


def kernel_of(hyper: Hyper, groups: Sequence[int], a: Rows, b: Rows, *, same_training: bool | None) -> Floats:
    """f + g + h; whether rows are of the same training is told by `training` where `same_training` is None."""
    shared, by_point = _along(hyper, a, b)
    same = (a.training[:, None] == b.training[None]) if same_training is None else same_training
    total: Floats = shared + (np.exp(hyper.config - 0.5 * _apart(hyper, groups, a.x, b.x)) + np.exp(hyper.seed) * same) * by_point
    return total


def cross_of(hyper: Hyper, groups: Sequence[int], a: Rows, asked: Rows, n_each: int) -> Floats:
    """f + g between rows and those of new trainings, as `Process.predict` is asked: each configuration is looked at once."""
    shared, by_point = _along(hyper, a, asked.only(slice(n_each)))
    config = np.exp(hyper.config - 0.5 * _apart(hyper, groups, a.x, asked.x[::n_each]))
    total: Floats = config[:, :, None] * by_point[:, None] + shared[:, None]
    return total.reshape(len(a), len(asked))


def _along(hyper: Hyper, a: Rows, b: Rows) -> tuple[Floats, Floats]:
    """The kernel of f, and what those of g and h have in common, shape (n_a, n_b) each."""
    apart = (a.at[:, None] - b.at[None]) ** 2
    return np.exp(hyper.shared - 0.5 * np.exp(hyper.shared_at) * apart), np.exp(-0.5 * np.exp(hyper.at) * apart)


def _apart(hyper: Hyper, groups: Sequence[int], a: Floats, b: Floats) -> Floats:
    """Squared distances between configurations in length scales, shape (n_a, n_b)."""
    root = np.exp(0.5 * hyper.groups[list(groups)])
    a, b = a * root, b * root
    squared: Floats = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * (a @ b.T)
    return np.maximum(squared, 0.0)

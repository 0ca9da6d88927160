"""Several training seeds of one configuration: their mean, and how sure it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, slots=True)
class SeedMean:
    """A metric over the training seeds of one configuration at one threshold.

    Attributes:
        value: the mean.
        deviation: standard deviation over the seeds, with n - 1.
        low, high: 95 % interval of the mean, t distribution with n - 1 degrees of freedom, cut to
            the values that are possible. It speaks of training again with other seeds, on the same
            examples; not of other examples.
        n_seeds: at least 2.
    """

    value: float
    deviation: float
    low: float
    high: float
    n_seeds: int


def seed_mean(
    values: Sequence[float], possible: tuple[float, float] = (-math.inf, math.inf)
) -> SeedMean:
    """Mean and interval of a metric's values, one a seed.

    Args:
        values: of the metric.
        possible: its least and its greatest value.

    Raises:
        ValueError: fewer than two.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval over seeds needs at least 2, got {n}")
    array = np.asarray(values, dtype=float)
    mean, deviation = float(array.mean()), float(array.std(ddof=1))
    reach = t_975(n - 1) * deviation / math.sqrt(n)
    return SeedMean(
        mean, deviation, max(possible[0], mean - reach), min(possible[1], mean + reach), n
    )


def nearest_to_mean(values: Sequence[Mapping[str, float]], names: Sequence[str]) -> int:
    """The seed whose `names` lie nearest their means, each in units of its deviation over the
    seeds; the first of equals.

    It stands for its configuration: what is shipped is then a typical training of it, not its
    luckiest.
    """
    table = np.array([[one[name] for name in names] for one in values], dtype=float)
    off = table - table.mean(axis=0)
    spread = table.std(axis=0)
    scaled = np.divide(
        off, spread, out=np.zeros_like(off), where=spread > 1e-12 * np.abs(table).max(axis=0)
    )
    # Rounded, so that two seeds that lie equally far on either side of their mean are equals.
    return int(np.argmin(np.round((scaled**2).sum(axis=1), 9)))


def t_975(degrees: int) -> float:
    """0.975 quantile of Student's t distribution with whole degrees of freedom >= 1."""
    return t_quantile(0.95, degrees)


@lru_cache
def t_quantile(central: float, degrees: int) -> float:
    """The t with P(|T| <= t) = `central`, for Student's t distribution with `degrees` >= 1 degrees
    of freedom.
    """
    from scipy.special import stdtrit  # A fifth of a second, and only some sweeps repeat seeds.

    return float(stdtrit(degrees, (1 + central) / 2))

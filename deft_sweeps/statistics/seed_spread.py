"""How far two trainings of one configuration differ by their seed alone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from deft_sweeps.statistics.seed_mean import t_975

_ROUNDING = 1e-24
"""Variance that rounding alone may give to equal scores."""


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """The seed's part in the difference of two trainings, pooled over repeated configurations.

    Attributes:
        reach: that 95 % of such differences stay within, in units of the score.
        n_configurations: that were trained with several seeds.
        degrees: of freedom of the pooled variance.
    """

    reach: float
    n_configurations: int
    degrees: int


def seed_spread(repeated: Iterable[Sequence[Sequence[float]]]) -> SeedSpread | None:
    """The spread from each repeated configuration's scores, in [threshold][seed].

    The difference of two trainings has twice the variance of one. The thresholds of a configuration
    share their trainings, so they add no degrees of freedom. The reach is Student's t prediction
    interval, wider if few trainings tell of it.

    Returns:
        None if nothing was repeated, or if no seeds differ: equal scores by chance are no estimate.
    """
    squares, degrees, n_configurations = 0.0, 0, 0
    for thresholds in repeated:
        several = [scores for scores in thresholds if len(scores) > 1]
        if several:
            freedom = max(map(len, several)) - 1
            squares += freedom * float(np.mean([np.var(scores, ddof=1) for scores in several]))
            degrees += freedom
            n_configurations += 1
    if squares < _ROUNDING:
        return None
    return SeedSpread(t_975(degrees) * math.sqrt(2 * squares / degrees), n_configurations, degrees)

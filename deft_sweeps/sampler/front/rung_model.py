"""What a rung tells of a training's end, learnt from trainings that have both; numpy only.

A training's values at a rung are taken to follow those at its end on a line,

    rung = a + b end + c + e,

with an intercept a for each threshold, one slope b, c the training's own at all thresholds and e each point's own; c and e are independent
and normal with mean 0. Read backwards, a training that did not come to its end is an unsure measurement of it: (rung - a) / b, with the
variance of c + e over b^2. Where rungs tell little of the end the slope is small beside the noise, and little is what is learnt.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_DOUBTS = 1.0
"""Trainings that a doubt counts for which is there before any is seen: that rungs tell nothing, all their variance being c's."""


@dataclass(frozen=True, slots=True)
class Line:
    """How one metric's ends lie behind what a rung shows.

    Attributes:
        at_rung, at_end: means at each threshold, nan where it was not measured, shape (thresholds,).
        slope: b, above 0.
        common: variance of c, what is unsure about the slope in it.
        own: variance of e.
    """

    at_rung: Floats
    at_end: Floats
    slope: float
    common: float
    own: float

    def end(self, rung: float, at: int) -> float:
        """What a value at the rung and the threshold `at` says of the end; nan where it says nothing."""
        return float(self.at_end[at] + (rung - self.at_rung[at]) / self.slope)

    @property
    def end_variances(self) -> tuple[float, float]:
        """How unsure that is, from c and from e."""
        return self.common / self.slope**2, self.own / self.slope**2


def line(rungs: Floats, ends: Floats) -> Line | None:
    """The line behind trainings' values at a rung and at their ends; None where the ones do not rise with the others, or there are fewer
    than two.

    Args:
        rungs: values at one rung, nan where one was not measured, shape (trainings, thresholds).
        ends: the same at the end.
    """
    there = np.isfinite(rungs) & np.isfinite(ends)
    used = there.any(axis=1)
    rungs, ends, there = rungs[used], ends[used], there[used]
    n, n_points = len(there), int(there.sum())
    if n < 2:
        return None
    at_rung, at_end = _mean(rungs, there), _mean(ends, there)
    rung_off, end_off = np.where(there, rungs - at_rung, 0.0), np.where(there, ends - at_end, 0.0)
    squares = float((end_off**2).sum())
    slope = float((rung_off * end_off).sum()) / squares if squares > 0 else 0.0
    if slope <= 0:
        return None
    left, n_each, n_free = rung_off - slope * end_off, there.sum(axis=1), n - 2
    of_training = left.sum(axis=1) / n_each
    within = float((np.where(there, left - of_training[:, None], 0.0) ** 2).sum())
    own = within / max(1.0, (n_points - n) * n_free / n)
    between = float((of_training**2).sum()) / max(n_free, 1) - own / float(n_each.mean())
    doubt = float((rung_off**2).sum()) / n_points * n / (n - 1)
    common = (N_DOUBTS * doubt + n_free * max(between, 0.0)) / (N_DOUBTS + n_free)
    of_slope = float((end_off.sum(axis=1) ** 2).sum() * common + squares * own) / squares**2
    return Line(at_rung, at_end, slope, common + of_slope * squares / n_points, own)


def _mean(values: Floats, there: NDArray[np.bool_]) -> Floats:
    """Of what is there, by threshold."""
    n = there.sum(axis=0)
    mean: Floats = np.where(n > 0, np.where(there, values, 0.0).sum(axis=0) / np.maximum(n, 1), np.nan)
    return mean

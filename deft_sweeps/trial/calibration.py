"""Which threshold, or which share of zeroed entries, gives a trained model an activation density.

A density costs a pass over the calibration examples, so the search starts between densities that
were measured before.
"""

from collections.abc import Callable, Sequence

from scipy.optimize import brentq

from deft_sweeps.axes.activation.gate import thresholded_by_block
from deft_sweeps.axes.thresholds import GateHistogram
from deft_sweeps.trial.evaluate import Evaluator

MOST_PASSES = 12
CLOSE = 0.002
"""A density this share away from the wanted one is near enough."""
RESOLUTION = 2.0**-9
"""Share of a threshold that is not divided further: bfloat16 has no finer pre-activations, so that
the density changes in steps."""
HIGHEST_THRESHOLD = 64.0

Measured = Sequence[tuple[float, float]]
"""Thresholds (or shares) with the activation density of the same model on the same examples."""


def threshold_for(evaluator: Evaluator, density: float, measured: Measured = ()) -> float:
    """The threshold at which the model's activation density is `density`: within 0.2 % of it, or
    where the threshold is within 0.2 %. Density falls as the threshold rises.

    Args:
        evaluator: over calibration examples.
        density: in [0, 1]; one that no threshold up to 64 reaches gives the nearest end.
        measured: thresholds that were measured before, with their density.
    """
    distance = _Distance(evaluator.density, density, measured)
    low = max(distance.dense(), default=0.0)
    if distance(low) <= 0.0:
        return low
    high = min(distance.sparse(), default=max(1.0, low))
    while distance(high) > 0.0:
        if high >= HIGHEST_THRESHOLD:
            return high
        low, high = high, 2.0 * high
    return _root(distance, low, high)


def percentile_for(
    evaluator: Evaluator, histogram: GateHistogram, density: float, measured: Measured = ()
) -> float:
    """The percentile at which the model's activation density is `density`: within 0.2 % of it, or
    where the share of entries that are not zeroed is within 0.2 %.

    Args:
        evaluator: over calibration examples.
        histogram: of the same model's gates.
        density: in [0, 1]; one that no percentile reaches gives the nearest end.
        measured: percentiles that were measured before, with their density.
    """

    def density_at(share: float) -> float:
        with thresholded_by_block(evaluator.gates, histogram.thresholds(1.0 - share)):
            return evaluator.density(0.0)

    # By the share that is not zeroed, which density is nearly proportional to.
    shares = [(1.0 - at, of_density) for at, of_density in measured]
    distance = _Distance(density_at, density, [(0.0, 0.0), *shares])
    low, high = max(distance.sparse()), min(distance.dense(), default=1.0)
    if distance(high) <= 0.0:
        return 1.0 - high
    return 1.0 - _root(distance, low, high)


class _Distance:
    """The density's distance from the wanted one, as a share of it unless it is 0; 0 if it is near
    enough. Each point is measured once.
    """

    def __init__(
        self, density_at: Callable[[float], float], wanted: float, measured: Measured
    ) -> None:
        self._density_at, self._wanted = density_at, wanted
        self._densities = dict(measured)

    def __call__(self, at: float) -> float:
        if at not in self._densities:
            self._densities[at] = self._density_at(at)
        density = self._densities[at]
        if abs(density - self._wanted) <= CLOSE * self._wanted:
            return 0.0
        return (density - self._wanted) / (self._wanted or 1.0)

    def dense(self) -> list[float]:
        """Measured points of at least the wanted density."""
        return [at for at, density in self._densities.items() if density >= self._wanted]

    def sparse(self) -> list[float]:
        """Measured points of at most the wanted density."""
        return [at for at, density in self._densities.items() if density <= self._wanted]


def _root(distance: Callable[[float], float], low: float, high: float) -> float:
    return float(
        brentq(distance, low, high, xtol=1e-6, rtol=RESOLUTION, maxiter=MOST_PASSES, disp=False)
    )

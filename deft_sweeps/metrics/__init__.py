"""The metrics that a sweep can search, limit and choose by: one object each, listed here.

Directions, units and ranges are stated by the objects and nowhere else.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deft_sweeps.metrics.footprint import (
    LATENCY_SEC,
    PEAK_MEMORY_BYTES,
    TRAINABLE_PARAMETERS,
    WEIGHT_BYTES,
)
from deft_sweeps.metrics.gate_density import (
    ACTIVATION_DENSITY,
    DECODER_DENSITY,
    ENCODER_DENSITY,
    WRITTEN_DENSITY,
)
from deft_sweeps.metrics.metric import Dimension, Direction, Metric
from deft_sweeps.metrics.task_loss import LOSS
from deft_sweeps.metrics.task_score import SCORE, score_range
from deft_sweeps.result import Cost, Point

__all__ = ["METRICS", "Dimension", "Direction", "Metric", "measured", "score_range", "signs"]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        SCORE,
        ACTIVATION_DENSITY,
        ENCODER_DENSITY,
        DECODER_DENSITY,
        WRITTEN_DENSITY,
        LOSS,
        WEIGHT_BYTES,
        TRAINABLE_PARAMETERS,
        PEAK_MEMORY_BYTES,
        LATENCY_SEC,
    )
}
"""Every metric by name, in the order in which tables list them."""


def measured(point: Point, cost: Cost | None = None) -> dict[str, float]:
    """The finite values of a point under the metrics' names; what was not measured is left out.

    Args:
        point: at one threshold, of a whole training or at a rung.
        cost: of the trial; None at a rung, when it is not known yet.
    """
    values = ((name, metric.read(point, cost)) for name, metric in METRICS.items())
    return {name: float(value) for name, value in values if value is not None and math.isfinite(value)}


def signs(names: Iterable[str]) -> NDArray[np.float64]:
    """The factor of each metric that turns its values so that lower is better, shape (m,)."""
    return np.array([METRICS[name].sign for name in names])


def as_losses(values: ArrayLike, names: Iterable[str]) -> NDArray[np.float64]:
    """Values of metrics, shape (..., m), turned so that lower is better everywhere."""
    turned: NDArray[np.float64] = np.asarray(values, dtype=float) * signs(names)
    return turned

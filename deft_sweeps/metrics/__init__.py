"""The metrics that a sweep can search, limit and choose by: one object each, listed here.

Directions, units and ranges are stated by the objects and nowhere else.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deft_sweeps.config.layout import Layout
from deft_sweeps.metrics.energy_ratio import ENERGY_RATIO
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
from deft_sweeps.metrics.metric import Direction, Measurable, Metric
from deft_sweeps.metrics.task_loss import LOSS
from deft_sweeps.metrics.task_score import SCORE, score_range
from deft_sweeps.result import Cost, Point

__all__ = [
    "ACTIVATION_DENSITY",
    "DEFAULT_OBJECTIVES",
    "LATENCY_SEC",
    "METRICS",
    "SCORE",
    "Direction",
    "Measurable",
    "Metric",
    "as_losses",
    "measured",
    "measured_points",
    "parts_of",
    "score_range",
    "shown",
    "signs",
    "unmeasured",
]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        SCORE,
        ACTIVATION_DENSITY,
        ENCODER_DENSITY,
        DECODER_DENSITY,
        WRITTEN_DENSITY,
        ENERGY_RATIO,
        LOSS,
        WEIGHT_BYTES,
        TRAINABLE_PARAMETERS,
        PEAK_MEMORY_BYTES,
        LATENCY_SEC,
    )
}
"""Every metric by name, in the order in which tables list them."""

_OF_POINT = tuple(metric for metric in METRICS.values() if metric.of_point)
_OF_TRIAL = tuple(metric for metric in METRICS.values() if not metric.of_point)
DEFAULT_OBJECTIVES = (SCORE.name, ACTIVATION_DENSITY.name)


def shown(requested: Iterable[str] = (), *, on_card: bool = False) -> tuple[Metric, ...]:
    """The metrics that have a column of their own, in the tables' order.

    Args:
        requested: names of the objectives and of limits' metrics, which are always shown.
        on_card: whether a card has room for more of them.
    """
    names, displays = set(requested), ("table", "card") if on_card else ("table",)
    own = [m for m in METRICS.values() if not m.part_of]
    return tuple(m for m in own if m.display in displays or m.name in names)


def parts_of(name: str) -> tuple[Metric, ...]:
    """The metrics that are shown in brackets in the cells of another."""
    return tuple(metric for metric in METRICS.values() if metric.part_of == name)


def measured(point: Point, cost: Cost | None = None) -> dict[str, float]:
    """The finite values of a point under the metrics' names; what was not measured is left out.

    Args:
        point: at one threshold, of a whole training or at a rung.
        cost: of the trial; None at a rung, when it is not known yet.
    """
    return _finite(_OF_POINT, point, cost) | _finite(_OF_TRIAL, point, cost)


def measured_points(points: Sequence[Point], cost: Cost | None) -> list[dict[str, float]]:
    """`measured` of each point of one trial; what belongs to the whole trial is read once."""
    of_trial = _finite(_OF_TRIAL, points[0], cost) if points else {}
    return [_finite(_OF_POINT, point, cost) | of_trial for point in points]


def _finite(metrics: Sequence[Metric], point: Point, cost: Cost | None) -> dict[str, float]:
    values = {}
    for metric in metrics:
        value = metric.read(point, cost)
        if value is not None and math.isfinite(value):
            values[metric.name] = float(value)
    return values


def unmeasured(names: Iterable[str], layout: Layout, *, writes: bool) -> list[str]:
    """Those of the metrics that no trial of this model and task measures, each with the reason.

    Args:
        names: of `METRICS`.
        layout: of the model.
        writes: whether the model writes its answers to the task.
    """
    model = Measurable(layout.stacks, writes)
    reasons = {name: METRICS[name].why_unmeasured(model) for name in names}
    return [f"{name} is never measured: {reason}" for name, reason in reasons.items() if reason]


def signs(names: Iterable[str]) -> NDArray[np.float64]:
    """The factor of each metric that turns its values so that lower is better, shape (m,)."""
    return np.array([METRICS[name].sign for name in names])


def as_losses(values: ArrayLike, names: Iterable[str]) -> NDArray[np.float64]:
    """Values of metrics, shape (..., m), turned so that lower is better everywhere."""
    turned: NDArray[np.float64] = np.asarray(values, dtype=float) * signs(names)
    return turned

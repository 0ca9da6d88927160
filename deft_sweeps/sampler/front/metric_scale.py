"""The scale on which a metric is modelled: its logarithm if it is minimised, else itself.

Metrics that are minimised (densities, bytes, seconds) span decades, so a stationary kernel fits
their logarithm.
"""

import numpy as np

from deft_sweeps.metrics import METRICS
from deft_sweeps.sampler.front.array_type import Floats

_MIN_VALUE = 1e-4
"""Smaller values are raised to this before the logarithm is taken."""


def to_model_scale(metric: str, values: Floats) -> Floats:
    """Converts values in the metric's unit to the scale of the model."""
    if METRICS[metric].direction == "minimize":
        return np.log(np.maximum(values, _MIN_VALUE))
    return values


def from_model_scale(metric: str, values: Floats) -> Floats:
    """Converts values on the scale of the model to the metric's unit."""
    return np.exp(values) if METRICS[metric].direction == "minimize" else values

"""The loss on held-out examples."""

from deft_sweeps.metrics.metric import Metric, at_least_zero

LOSS = Metric(
    name="loss",
    title="loss",
    meaning="what training minimises, without the density loss: see Point.loss",
    direction="minimize",
    dimension="number",
    read=lambda point, _cost: point.loss,
    of_point=True,
    possible=at_least_zero,
)

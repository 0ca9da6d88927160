"""The task's own metric."""

import math

from deft_sweeps.metrics.metric import Metric
from deft_sweeps.result import Point
from deft_sweeps.task_metrics import TASK_METRICS


def score_range(task_metric: str) -> tuple[float, float]:
    """Worst and best possible value of a task's metric, `accuracy` or `pearson` say.

    Results may name a metric that this version does not have: nothing is known of its range.
    """
    if task_metric not in TASK_METRICS:
        return -math.inf, math.inf
    return TASK_METRICS[task_metric].worst, 1.0


def _possible(point: Point | None) -> tuple[float, float]:
    return (0.0, 1.0) if point is None else score_range(point.score.metric)


SCORE = Metric(
    name="score",
    title="score",
    meaning=(
        "the task's metric on held-out examples, in [0, 1], or in [-1, 1] where it is a correlation"
    ),
    direction="maximize",
    dimension="share",
    read=lambda point, _cost: point.score.value,
    of_point=True,
    possible=_possible,
    standard_error=lambda point: point.score.standard_error,
    axis_title=lambda point: point.score.metric,
    display="table",
)

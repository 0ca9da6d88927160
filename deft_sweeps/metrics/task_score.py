"""The task's own metric."""

from deft_sweeps.metrics.metric import Metric
from deft_sweeps.result import Point
from deft_sweeps.task_metrics import task_metric_of


def score_range(task_metric: str) -> tuple[float, float]:
    """Worst and best possible value of a task's metric, `accuracy` or `pearson` say."""
    return task_metric_of(task_metric).worst, 1.0


def _possible(point: Point | None) -> tuple[float, float]:
    return (0.0, 1.0) if point is None else score_range(point.score.metric)


SCORE = Metric(
    name="score",
    title="score",
    meaning=("the task's metric on held-out examples, in [0, 1], or in [-1, 1] where it is a correlation"),
    direction="maximize",
    dimension="share",
    read=lambda point, _cost: point.score.value,
    of_point=True,
    possible=_possible,
    has_interval=True,
)

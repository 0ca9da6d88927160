"""The task's own metric."""

from deft_sweeps.metrics.metric import Metric
from deft_sweeps.result import Point

CORRELATIONS = ("matthews", "pearson", "spearman")
"""Metrics of tasks that may be below 0."""


def score_range(task_metric: str) -> tuple[float, float]:
    """Worst and best possible value of a task's metric, `accuracy` or `pearson` say."""
    return (-1.0 if task_metric in CORRELATIONS else 0.0), 1.0


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
    has_interval=True,
)

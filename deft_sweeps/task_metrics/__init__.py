"""How well a model does its task: accuracy, F1, correlations, exact match. numpy only."""

from deft_sweeps.task_metrics.registry import TASK_METRICS, task_metric_of
from deft_sweeps.task_metrics.scoring import Scored, score, score_all, weighted_metric
from deft_sweeps.task_metrics.suitable import OWN_METRICS, suitable, why_unsuitable, with_score
from deft_sweeps.task_metrics.task_metric import TaskMetric

__all__ = [
    "OWN_METRICS",
    "TASK_METRICS",
    "Scored",
    "TaskMetric",
    "score",
    "score_all",
    "suitable",
    "task_metric_of",
    "weighted_metric",
    "why_unsuitable",
    "with_score",
]

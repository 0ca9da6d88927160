"""The metrics of tasks: one object each, listed here."""

from deft_sweeps.task_metrics.accuracy import ACCURACY
from deft_sweeps.task_metrics.answer_match import EXACT_MATCH, TOKEN_F1
from deft_sweeps.task_metrics.balanced_accuracy import BALANCED_ACCURACY
from deft_sweeps.task_metrics.binary_f1 import F1
from deft_sweeps.task_metrics.correlation import PEARSON, SPEARMAN
from deft_sweeps.task_metrics.macro_f1 import MACRO_F1
from deft_sweeps.task_metrics.matthews import MATTHEWS
from deft_sweeps.task_metrics.task_metric import TaskMetric

TASK_METRICS: dict[str, TaskMetric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        BALANCED_ACCURACY,
        F1,
        MACRO_F1,
        MATTHEWS,
        PEARSON,
        SPEARMAN,
        EXACT_MATCH,
        TOKEN_F1,
    )
}
"""Every metric of a task by name."""


def task_metric_of(name: str) -> TaskMetric:
    """The metric of this name.

    Raises:
        ValueError: no such metric; the message lists them.
    """
    if name not in TASK_METRICS:
        raise ValueError(f"expected one of {', '.join(TASK_METRICS)}, got {name!r}")
    return TASK_METRICS[name]

"""Accuracy."""

from deft_sweeps.task_metrics.task_metric import TaskMetric

ACCURACY = TaskMetric(
    name="accuracy",
    meaning="share of examples whose class is predicted correctly",
    answer="class",
    by_example=lambda prediction, reference: float(prediction == reference),
)

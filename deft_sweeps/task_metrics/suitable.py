"""Which metrics suit a kind of task, and which it is scored by if nobody asks for another."""

from collections.abc import Mapping

from deft_sweeps.config.data import TaskKind
from deft_sweeps.task_metrics.registry import TASK_METRICS
from deft_sweeps.task_metrics.task_metric import Answer, TaskMetric

_ANSWERS: Mapping[TaskKind, Answer] = {
    "classification": "class",
    "regression": "number",
    "span": "text",
    "text": "text",
}
"""What a kind of task answers."""

OWN_METRICS: Mapping[TaskKind, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "regression": ("pearson", "spearman"),
    "span": ("exact_match", "token_f1"),
    "text": ("token_f1", "exact_match"),
}
"""The metrics of a kind of task, the score first."""


def suitable(kind: TaskKind) -> tuple[TaskMetric, ...]:
    """The metrics that compare what a kind of task answers."""
    return tuple(metric for metric in TASK_METRICS.values() if metric.answer == _ANSWERS[kind])


def with_score(metric: str | None, own: tuple[str, ...]) -> tuple[str, ...]:
    """The task's own metrics behind the one that is asked for as the score; None takes the
    first.
    """
    return own if metric is None else tuple(dict.fromkeys((metric, *own)))


def why_unsuitable(metric: str, kind: TaskKind) -> str:
    """Why a metric cannot score a kind of task, with those that can; empty if it can."""
    names = [one.name for one in suitable(kind)]
    if metric in names:
        return ""
    what = f"answers with a {_ANSWERS[kind]}"
    return f"expected one of {', '.join(names)}, since the task {what}, got {metric!r}"

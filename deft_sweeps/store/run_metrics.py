"""A result's numbers under the names that MLflow shows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deft_sweeps.metrics import METRICS, measured
from deft_sweeps.result import CompleteTrial, Rung, StepMetrics, TrialResult


@dataclass(frozen=True, slots=True)
class LoggedMetric:
    """A number of a run.

    Attributes:
        at_ms: milliseconds since the epoch; the same each time it is written, so that MLflow takes
            a second writing for the first.
        step: optimiser step; 0 for what was measured at the end.
    """

    name: str
    value: float
    at_ms: int
    step: int


def run_metrics(result: TrialResult, steps: Sequence[StepMetrics]) -> list[LoggedMetric]:
    """All finite numbers of a run: of its end, of its rungs and of its steps."""
    began_ms, ended_ms = round(result.started_at * 1000), round(result.finished_at * 1000)
    last = max([metric.step for metric in steps] + [rung.step for rung in result.rungs], default=1)

    def on_the_way(step: int, values: Mapping[str, float]) -> list[LoggedMetric]:
        at_ms = began_ms + round((ended_ms - began_ms) * step / max(last, 1))
        return [LoggedMetric(name, value, at_ms, step) for name, value in values.items()]

    logged = [LoggedMetric(n, v, ended_ms, 0) for n, v in final_metrics(result).items()]
    for rung in result.rungs:
        logged += on_the_way(rung.step, rung_metrics(rung))
    for step in steps:
        values = {
            "train/task_loss": step.task_loss,
            "train/density_loss": step.density_loss,
            "train/grad_norm": step.grad_norm,
            "train/learning_rate": step.learning_rate,
        }
        logged += on_the_way(step.step, values)
    return [metric for metric in logged if math.isfinite(metric.value)]


def final_metrics(result: TrialResult) -> dict[str, float]:
    """A trial's numbers under MLflow's names: `threshold_0.01/score` for what a threshold changes,
    `latency_sec` for what it does not.
    """
    values: dict[str, float] = {}
    if not isinstance(result, CompleteTrial):
        return {}
    for point in result.points:
        for name, value in measured(point, result.cost).items():
            values[f"threshold_{point.at}/{name}" if METRICS[name].of_point else name] = value
    return values


def rung_metrics(rung: Rung) -> dict[str, float]:
    """What was measured on a trial's way: `rung/threshold_0.01/score`, never under the name of what
    was measured at its end.
    """
    return {
        f"rung/threshold_{point.at}/{name}": value
        for point in rung.points
        for name, value in measured(point).items()
    }

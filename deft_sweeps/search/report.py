"""What a worker tells the driver: keys of a report to Tune. Loads neither ray nor optuna."""

import json
from dataclasses import asdict
from typing import Any

from deft_sweeps.result import StepMetrics, TrialResult

STEP = "step"
"""Optimiser steps done."""
STEPS = "steps"
"""JSON of the metrics of each step since the last report."""
RESULT = "result"
"""The TrialResult's JSON; in the last report of a trial only."""


def report(step: int, steps: tuple[StepMetrics, ...] = (), result: TrialResult | None = None) -> dict[str, Any]:
    """A report of a trial's progress; with its result it is the last one."""
    told: dict[str, Any] = {STEP: step, STEPS: json.dumps([asdict(metrics) for metrics in steps])}
    return told if result is None else told | {RESULT: result.to_json().decode(), "done": True}


def reported_steps(told: dict[str, Any]) -> tuple[StepMetrics, ...]:
    """The step metrics of a report; none where it carries none."""
    return tuple(StepMetrics(**metrics) for metrics in json.loads(told.get(STEPS, "[]")))

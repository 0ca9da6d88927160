"""What driver and worker tell each other: keys of a report to Tune, and one of a trial's settings.
Loads neither ray nor optuna.
"""

import json
from dataclasses import asdict
from typing import Any

from deft_sweeps.config.trial import codec
from deft_sweeps.result import Rung, StepMetrics, TrialResult

STEP = "step"
"""Optimiser steps done."""
STEPS = "steps"
"""JSON of the metrics of each step since the last report."""
RESULT = "result"
"""The TrialResult's JSON; in the last report of a trial only."""
ATTEMPT = "attempt"
"""Number of the attempt that wrote the trial's weights; beside the result of a complete trial."""
RUNG = "rung"
"""JSON of the Rung that the report ends at; absent elsewhere."""
TROUBLE = "trouble"
"""What the trial waits for, a sentence; absent where it waits for nothing."""

EXHAUSTED = "exhausted"
"""Its share of a machine is too small for the trial, however its batches are split; absent if it
is not."""
SHARE = "share"
"""JSON of the MachineShare that a trial has, in its settings."""


def report(
    step: int,
    steps: tuple[StepMetrics, ...] = (),
    result: TrialResult | None = None,
    rung: Rung | None = None,
    trouble: str = "",
    attempt: int | None = None,
    *,
    is_exhausted: bool = False,
) -> dict[str, Any]:
    """A report of a trial's progress; with its result it is the last one, with a rung somebody may
    end the trial there.
    """
    reported: dict[str, Any] = {
        STEP: step,
        STEPS: json.dumps([asdict(metrics) for metrics in steps]),
    }
    if rung is not None:
        reported[RUNG] = codec(Rung).dump_json(rung).decode()
    if is_exhausted:
        reported[EXHAUSTED] = True
    if trouble:
        reported[TROUBLE] = trouble
    if attempt is not None:
        reported[ATTEMPT] = attempt
    return (
        reported if result is None else reported | {RESULT: result.to_json().decode(), "done": True}
    )


def reported_steps(reported: dict[str, Any]) -> tuple[StepMetrics, ...]:
    """The step metrics of a report; none where it carries none."""
    return tuple(StepMetrics(**metrics) for metrics in json.loads(reported.get(STEPS, "[]")))


def reported_rung(reported: dict[str, Any]) -> Rung | None:
    """The rung that a report ends at; None where it ends at none."""
    text = reported.get(RUNG)
    return codec(Rung).validate_json(text) if isinstance(text, str) else None

"""Metrics of a trial's optimiser steps: a line of JSON a step, appended while it trains."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from deft_sweeps.result import StepMetrics


def append_steps(path: Path, steps: Iterable[StepMetrics]) -> None:
    """Appends metrics of steps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("".join(json.dumps(asdict(metrics)) + "\n" for metrics in steps))


def read_steps(path: Path) -> tuple[StepMetrics, ...]:
    """The metrics by rising step. Of a step that was written twice the later ones count; a line cut
    off by a crash is left out.
    """
    steps: dict[int, StepMetrics] = {}
    for line in path.read_text().splitlines() if path.is_file() else ():
        with suppress(ValueError, TypeError):
            metrics = StepMetrics(**json.loads(line))
            steps[metrics.step] = metrics
    return tuple(steps[step] for step in sorted(steps))

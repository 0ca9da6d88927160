"""Measures a trial on its way, for early stopping."""

import math
from dataclasses import replace

from deft_sweeps.errors import TrialError
from deft_sweeps.outcomes import NO_SCORES
from deft_sweeps.result import Rung
from deft_sweeps.trial.protocol import TrialRun


def measured_rung(run: TrialRun, step: int, thresholds: tuple[float, ...]) -> Rung:
    """Score and density of a trial as it stands, without the scores of single examples.

    Args:
        run: the trial.
        step: that it has come to.
        thresholds: of the gate, a point each.

    Raises:
        TrialError: a loss or a density is not finite.
    """
    points = tuple(replace(point, example_scores=NO_SCORES) for point in run.measure(thresholds))
    numbers = (number for point in points for number in (point.loss, point.density.overall))
    if not all(map(math.isfinite, numbers)):
        raise TrialError(f"what was measured at step {step} is not finite")
    return Rung(step=step, points=points)

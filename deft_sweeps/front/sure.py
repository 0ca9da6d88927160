"""What `surely` adds to a limit on the score: the near end of a 95 % interval must keep it, not the value alone.

The interval speaks of the examples drawn, not of training again with another seed.
"""

import math
from dataclasses import dataclass

from deft_sweeps.front.gains import Z_95, score_difference
from deft_sweeps.objective import Constraint
from deft_sweeps.result import Point, TrialResult

PAIRED = "by the 95% interval of the difference, paired by example"
UNPAIRED = "by the standard errors of both scores, since their examples cannot be paired"
ALONE = "by the 95% interval of the score"


@dataclass(frozen=True, slots=True)
class SureExcess:
    """How far the near end of the interval is on a limit's wrong side.

    Attributes:
        value: in units of the score; <= 0 keeps the limit.
        how: which interval was taken, in words.
    """

    value: float
    how: str


def sure_excess(
    limit: Constraint, result: TrialResult, point: Point, other: TrialResult | None = None, base: Point | None = None
) -> SureExcess:
    """Judge the score of `point` by its interval.

    Args:
        limit: on the score.
        result: the trial of the point.
        point: to judge.
        other: the baseline's trial; None where the limit names no baseline.
        base: the baseline's unthresholded point.
    """
    value, error, how = point.score.value, point.score.standard_error, ALONE
    if other is not None and base is not None:
        paired = score_difference(point, (1.0, base)) if _same_examples(result, other) else None
        value -= base.score.value
        if paired is not None:
            value, error, how = paired.value, paired.standard_error, PAIRED
        else:
            error, how = math.hypot(error, base.score.standard_error), UNPAIRED
    bound = limit.bound.value
    return SureExcess(bound - (value - Z_95 * error) if limit.relation == ">=" else value + Z_95 * error - bound, how)


def _same_examples(a: TrialResult, b: TrialResult) -> bool:
    """Whether both were measured on the same data, as far as they say."""
    return not (a.provenance and b.provenance) or a.provenance.dataset_fingerprint == b.provenance.dataset_fingerprint

"""What `surely` adds to a limit on the score: the near end of a 95 % interval must keep it, not the value alone.

The interval speaks of the examples drawn, not of training again with another seed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deft_sweeps.front.gains import Z_95, mean_difference
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
    limit: Constraint, result: TrialResult, points: Sequence[Point], other: TrialResult | None = None, base: Sequence[Point] = ()
) -> SureExcess:
    """Judge the mean score of `points` by its interval.

    Args:
        limit: on the score.
        result: the trial of the points, or one of theirs.
        points: to judge, one a seed.
        other: the baseline's trial; None where the limit names no baseline.
        base: the baseline's unthresholded points, one a seed.
    """
    (value, error), how = _mean_score(points), ALONE
    if other is not None and result.config == other.config and tuple(points) == tuple(base):
        # The baseline differs from itself by nothing, also where no single scores can be paired.
        value, error, how = 0.0, 0.0, PAIRED
    elif other is not None and base:
        paired = mean_difference(points, base) if _same_examples(result, other) else None
        of_base, error_of_base = _mean_score(base)
        value -= of_base
        if paired is not None:
            value, error, how = paired.value, paired.standard_error, PAIRED
        else:
            error, how = math.hypot(error, error_of_base), UNPAIRED
    bound = limit.bound.value
    return SureExcess(bound - (value - Z_95 * error) if limit.relation == ">=" else value + Z_95 * error - bound, how)


def _mean_score(points: Sequence[Point]) -> tuple[float, float]:
    """The score's mean over the seeds and its standard error: over the same examples it is no larger than the mean of theirs."""
    n = len(points)
    return sum(point.score.value for point in points) / n, sum(point.score.standard_error for point in points) / n


def _same_examples(a: TrialResult, b: TrialResult) -> bool:
    """Whether both were measured on the same data, as far as they say."""
    return not (a.provenance and b.provenance) or a.provenance.dataset_fingerprint == b.provenance.dataset_fingerprint

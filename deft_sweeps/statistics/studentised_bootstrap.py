"""The p-value of the studentised bootstrap (Efron and Tibshirani, 1993, section 12.5): the distance
of a value from a bound in standard errors, beside the same of resamples about the value itself.
"""

from collections.abc import Iterable

import numpy as np

from deft_sweeps.task_metrics.resample import Array


def share_beyond(
    value: float,
    error: float,
    bound: float,
    resampled: Iterable[tuple[Array, Array]],
    n_resamples: int,
) -> float:
    """The p-value of "the true value is at most `bound`", in (0, 1].

    Args:
        value: as measured.
        error: its standard error, > 0.
        bound: in the value's unit.
        resampled: values of some resamples and their standard errors, shape (n,) each, until there
            were `n_resamples`.
        n_resamples: in all.
    """
    observed, n_beyond = (value - bound) / error, 0
    for drawn, deviation in resampled:
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = (drawn - value) / deviation
        n_beyond += int((np.nan_to_num(distances, nan=0.0) >= observed).sum())
    return (n_beyond + 1) / (n_resamples + 1)

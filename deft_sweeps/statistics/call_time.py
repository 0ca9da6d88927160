"""Wall time of repeated calls: the median with its upper bound, and the slow end."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall time of a call, in seconds.

    Attributes:
        median: over the timed calls.
        high: upper end of the median's 95 % interval: the fastest call that lies above the median
            with that probability, whatever the distribution; None with fewer than five calls.
    """

    median: float
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimes:
    """Wall times of calls of one kind, in seconds.

    Attributes:
        p95: the 95th percentile, the nearest of the timed calls.
        low_quartile, high_quartile: half of the calls lie between them.
        n_calls: that were timed.
    """

    median: float
    p95: float
    low_quartile: float
    high_quartile: float
    n_calls: int


def latency_of(times: Sequence[float]) -> Latency:
    """Median and its upper bound from the times of at least one call, in seconds.

    Each call is above the median with probability 1/2, so the k-th fastest of n is below it with
    the probability that at least k of n coins show heads.
    """
    ordered, n = sorted(times), len(times)
    below = [sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n for k in range(1, n + 1)]
    high = next((t for t, risk in zip(ordered, below, strict=True) if risk <= 0.05), None)
    return Latency(statistics.median(times), high)


def call_times(times: Sequence[float]) -> CallTimes:
    """The distribution of at least one call's time, in seconds."""
    ordered = sorted(times)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    return CallTimes(
        median=statistics.median(ordered),
        p95=at(0.95),
        low_quartile=at(0.25),
        high_quartile=at(0.75),
        n_calls=len(ordered),
    )


def timed(run: Callable[[], object]) -> float:
    """Wall time of one call, in seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start

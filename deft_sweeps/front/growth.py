"""How the front grew from trial to trial, whether it still does, and what more trials would be expected to bring.

Each trial counts as it was measured: a repeated configuration's seeds are not pooled here, as the search saw them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from deft_sweeps.front.dominance import Floats, hypervolume, non_dominated
from deft_sweeps.front.pareto import baselines_of, candidates, directions_of, judgeable, keeps, pareto_front
from deft_sweeps.objective import Constraint, Direction
from deft_sweeps.result import TrialResult

WINDOW = 30
"""Least number of trials that a statement on the present rate of gains is made from."""

N_SIZES = 5
"""Least number of gains that the size of a gain is averaged over."""

CONFIDENCE = 0.99
"""Of the bound on the share of trials that add something. A search looks after every few trials, so each look has to be surer than the
whole: chosen among five settings on one simulated problem, where 4 to 6 % of random searches then stopped too early, and with 0.95, a
window of 20 and 3 sizes 9 to 19 %."""
N_ORDERS = 400
QUANTILES = (0.05, 0.97)
"""Of the gains over random orders, for an 80 % interval. All orders share one set of trials, so their spread is narrower than that of
searches made anew: with 0.1 and 0.9 the interval held 69 to 81 % of the time on simulated random searches, mostly falling short above."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The measured points of each trial that keep every limit, in the order the trials finished.

    Attributes:
        values: of each trial, shape (its points, m); no row for a failed or stopped one.
        reference: of the hypervolume, shape (m,).
        directions: one an objective.
    """

    values: tuple[Floats, ...]
    reference: Floats
    directions: tuple[Direction, ...]


@dataclass(frozen=True, slots=True)
class Projection:
    """What more trials would be expected to bring; projected, never measured.

    Attributes:
        n_trials: that there are.
        n_more: further ones.
        gain: expected, as a share of the present hypervolume.
        low, high: 80 % interval of the gain that these further trials would really bring.
    """

    n_trials: int
    n_more: int
    gain: float
    low: float
    high: float


def growth_of(results: Sequence[TrialResult], objectives: Sequence[str], limits: Sequence[Constraint] = ()) -> Growth:
    """What the front grew from; a limit whose baseline is not there yet is left out of account."""
    results = sorted(results, key=lambda result: (result.finished_at, result.trial_id))
    known = baselines_of(results)
    judged = [limit for limit in limits if judgeable(limit, known)]
    front = pareto_front((), objectives)
    every = [candidates([result], objectives) for result in results]
    pool = [member for members in every for member in members]
    if pool:
        front = pareto_front(results, objectives, judged, known)
    rows = [
        np.array([[m.values[name] for name in objectives] for m in members if all(keeps(m, limit, known) for limit in judged)], dtype=float)
        for members in every
    ]
    reference = np.array([front.reference[name] for name in objectives])
    return Growth(tuple(row.reshape(-1, len(objectives)) for row in rows), reference, directions_of(objectives))


def hypervolumes(growth: Growth) -> Floats:
    """The front's hypervolume after each trial, never falling; shape (n,)."""
    front = np.zeros((0, len(growth.directions)))
    volume, found = 0.0, []
    for points in growth.values:
        # Most trials of a long sweep change nothing, and the volume costs far more than this look.
        fresh = points[~_covered(points, front, growth.directions)]
        if len(fresh):
            front = np.concatenate([front, fresh])
            front = front[non_dominated(front, growth.directions)]
            volume = max(volume, hypervolume(front, growth.reference, growth.directions))
        found.append(volume)
    return np.array(found)


def _covered(points: Floats, front: Floats, directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """Which points are nowhere better than some point of the front, shape (n,)."""
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    covered: NDArray[np.bool_] = np.all(front[None] * signs <= points[:, None] * signs, axis=2).any(axis=1)
    return covered


def gain_bound(volumes: Floats, skip: int = 0) -> float | None:
    """A bound from above on the gain expected of one further trial, as a share of the last volume; None while too little is known.

    The window is the last quarter of the trials, and at least WINDOW of them. The share of trials that add something is bounded from
    above at 99 % (Clopper and Pearson, Biometrika 26, 1934), so that a run of misses that chance alone would give is no proof; the size
    of a gain is the mean over those of the window, and over the last N_SIZES ones where it has fewer. Gains shrink while a search goes
    on, so the past errs on the side of going on.

    Args:
        volumes: after each trial, shape (n,).
        skip: trials at the start that count for nothing.
    """
    n = len(volumes)
    window = max(WINDOW, n // 4)
    if n < skip + window or volumes[-1] <= 0:
        return None
    gains = np.diff(volumes, prepend=0.0)
    hits = gains[-window:][gains[-window:] > 0]
    sizes = gains[1:][gains[1:] > 0][-max(N_SIZES, len(hits)) :]
    if not len(sizes):
        return 0.0
    return float(_share_bound(len(hits), window) * sizes.mean() / volumes[-1])


def project(growth: Growth, share: float = 0.5, seed: int = 0) -> Projection | None:
    """What `share` more trials would be expected to bring; None where fewer than 6 trials, or no volume, tell of it.

    If the order of the trials says nothing, the volume's distance to its limit falls as a power of their number, and each growth of
    that number by the factor q = 1 + share brings the same part r of what the one before brought. Over random orders, g1 is the mean
    gain from n/q^2 to n/q trials, g2 that from n/q to n: r = g2 / g1, at most 1, and the next gain is r g2. Its interval is that of the
    gains from n/q to n over the orders, times r: where by chance the best trials come late, so may they come after the last. A sampler
    that learns makes late trials better than early ones, and then this is a rough guide.

    Args:
        growth: what has been measured.
        share: of the trials there are, > 0.
        seed: of the orders.
    """
    n = len(growth.values)
    q = 1.0 + share
    last, middle, early = n, round(n / q), round(n / q**2)
    if n < 6 or not early < middle < last:
        return None
    whole = _volume(growth, range(n))
    if whole <= 0:
        return None
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(max(50, min(N_ORDERS, 200_000 // n)))]
    at_middle = np.array([_volume(growth, order[:middle]) for order in orders])
    at_early = np.array([_volume(growth, order[:early]) for order in orders])
    before, after = float((at_middle - at_early).mean()), whole - float(at_middle.mean())
    ratio = min(1.0, after / before) if before > 0 else 1.0
    gains = np.maximum(whole - at_middle, 0.0) * ratio / whole  # Sums in another order differ in their last digit.
    low, high = np.quantile(gains, QUANTILES)
    gain = float(gains.mean())
    # Where hardly an order brings anything, the mean lies beyond the quantile.
    return Projection(n, round(n * share), gain, float(low), max(gain, float(high)))


def _volume(growth: Growth, trials: Sequence[int] | range | np.ndarray) -> float:
    points = np.concatenate([growth.values[i] for i in trials])
    if len(growth.directions) > 2 and len(points):
        points = points[non_dominated(points, growth.directions)]
    return hypervolume(points, growth.reference, growth.directions)


def _share_bound(n_hits: int, n: int) -> float:
    """Upper Clopper-Pearson bound, at CONFIDENCE, of the share behind `n_hits` hits among `n`."""
    return 1.0 if n_hits >= n else float(betaincinv(n_hits + 1, n - n_hits, CONFIDENCE))

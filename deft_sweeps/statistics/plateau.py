"""How the front grew from trial to trial, whether it still does, and what more trials would bring.

Each trial counts as it was measured: a repeated configuration's seeds are not pooled here, as the
search saw them one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deft_sweeps.front import Floats, covered, hypervolume, non_dominated

WINDOW = 30
"""Least number of trials behind a statement on the present rate of gains."""

N_SIZES = 5
"""Least number of gains that the size of a gain is averaged over."""

CONFIDENCE = 0.99
"""Of the bound on the share of trials that add something. A search looks after every few trials, so
each look has to be surer than the whole; `benchmarks/README.md` has the comparison behind it."""
N_ORDERS = 400
QUANTILES = (0.05, 0.97)
"""Of the gains over random orders, for an 80 % interval. All orders share one set of trials, so
their spread is narrower than that of new searches; see `benchmarks/README.md`."""


@dataclass(frozen=True, slots=True)
class FrontHistory:
    """The measured points of each trial that keep every limit, in the order the trials finished.

    Attributes:
        losses: of each trial, lower is better, shape (its points, m); no row for a failed or
            stopped one.
        reference: of the hypervolume, as losses, shape (m,).
    """

    losses: tuple[Floats, ...]
    reference: Floats


@dataclass(frozen=True, slots=True)
class GainProjection:
    """What more trials would be expected to bring; projected, never measured.

    Attributes:
        n_trials: finished ones.
        n_more: further ones.
        gain: expected, as a share of the present hypervolume.
        low, high: 80 % interval of the gain that these further trials would really bring.
    """

    n_trials: int
    n_more: int
    gain: float
    low: float
    high: float


def hypervolumes(history: FrontHistory) -> Floats:
    """The front's hypervolume after each trial, never falling; shape (n,)."""
    front = np.zeros((0, len(history.reference)))
    volume, volumes = 0.0, []
    for points in history.losses:
        # Most trials of a long sweep change nothing, and the volume costs far more than this look.
        fresh = points[~covered(points, front)]
        if len(fresh):
            front = np.concatenate([front, fresh])
            front = front[non_dominated(front)]
            volume = max(volume, hypervolume(front, history.reference))
        volumes.append(volume)
    return np.array(volumes)


def gain_bound(volumes: Floats, skip: int = 0) -> float | None:
    """An upper bound on the gain expected of one further trial, as a share of the last volume.

    The window is the last quarter of the trials, and at least WINDOW of them. The share of trials
    that add something is bounded from above at 99 % (Clopper and Pearson, Biometrika 26, 1934), so
    that a run of misses by chance is no proof. The size of a gain is the mean over those of the
    window, and over the last N_SIZES ones if it has fewer. Gains shrink while a search goes on, so
    the past errs on the side of going on.

    Args:
        volumes: after each trial, shape (n,).
        skip: trials at the start that count for nothing.

    Returns:
        None while too few trials tell of it.
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


def project(history: FrontHistory, share: float = 0.5, seed: int = 0) -> GainProjection | None:
    """What `share` more trials would be expected to bring.

    If the order of the trials says nothing, the volume's distance to its limit falls as a power of
    their number, and each growth of that number by the factor q = 1 + share brings the same part r
    of what the one before brought. Over random orders, g1 is the mean gain from n/q^2 to n/q
    trials, g2 that from n/q to n: r = g2 / g1, at most 1, and the next gain is r g2. Its interval
    is that of the gains from n/q to n over the orders, times r: if by chance the best trials come
    late, others may come after the last. A sampler that learns makes late trials better than early
    ones, and then this is a rough guide.

    Args:
        history: what has been measured.
        share: of the finished trials, > 0.
        seed: of the orders.

    Returns:
        None if there are fewer than 6 trials, or no volume.
    """
    n = len(history.losses)
    q = 1.0 + share
    last, middle, early = n, round(n / q), round(n / q**2)
    if n < 6 or not early < middle < last:
        return None
    volume = _Volume(history)
    whole = volume(range(n))
    if whole <= 0:
        return None
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(max(50, min(N_ORDERS, 200_000 // n)))]
    at_middle = np.array([volume(order[:middle]) for order in orders])
    at_early = np.array([volume(order[:early]) for order in orders])
    before, after = float((at_middle - at_early).mean()), whole - float(at_middle.mean())
    ratio = min(1.0, after / before) if before > 0 else 1.0
    # Sums in another order differ in their last digit, hence the maximum.
    gains = np.maximum(whole - at_middle, 0.0) * ratio / whole
    low, high = np.quantile(gains, QUANTILES)
    gain = float(gains.mean())
    # If hardly an order brings anything, the mean lies beyond the quantile.
    return GainProjection(n, round(n * share), gain, float(low), max(gain, float(high)))


class _Volume:
    """Hypervolume of the points of some trials."""

    def __init__(self, history: FrontHistory) -> None:
        sizes = [len(points) for points in history.losses]
        self._points = np.concatenate(history.losses)
        self._trial = np.repeat(np.arange(len(sizes)), sizes)
        self._n_trials = len(sizes)
        self._reference = history.reference

    def __call__(self, trials: Sequence[int] | range | np.ndarray) -> float:
        chosen = np.zeros(self._n_trials, dtype=bool)
        chosen[list(trials) if isinstance(trials, range) else trials] = True
        points = self._points[chosen[self._trial]]
        if len(self._reference) > 2 and len(points):
            points = points[non_dominated(points)]
        return hypervolume(points, self._reference)


def _share_bound(n_hits: int, n: int) -> float:
    """Upper Clopper-Pearson bound, at CONFIDENCE, of the share behind `n_hits` hits among `n`."""
    from scipy.special import betaincinv  # A fifth of a second, and few commands project.

    return 1.0 if n_hits >= n else float(betaincinv(n_hits + 1, n - n_hits, CONFIDENCE))

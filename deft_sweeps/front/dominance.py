"""The arithmetic of fronts, on plain arrays.

Values have shape (n, m): n points, m objectives; `directions` names one direction an objective. A point dominates another when it is
nowhere worse and somewhere better.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deft_sweeps.objective import Direction

Floats = NDArray[np.float64]


def non_dominated(values: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """Which points no other point dominates, shape (n,); equal points are all kept. O(n m) for each point that is kept.

    Raises:
        ValueError: a value is not finite, or the shape does not fit the directions.
    """
    losses = _losses(values, directions)
    kept = np.zeros(len(losses), dtype=bool)
    # In lexicographic order a point can only be dominated by one before it, and then by one that is kept.
    left = np.lexsort(losses.T[::-1])
    while len(left):
        first, left = left[0], left[1:]
        kept[first] = True
        rivals = losses[left]
        left = left[np.any(rivals < losses[first], axis=1) | np.all(rivals == losses[first], axis=1)]
    return kept


def non_dominated_rank(values: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.int64]:
    """0 for the front, 1 for the front of what is left without it, and so on (NSGA-II's sorting, Deb et al. 2002); shape (n,).

    Raises:
        ValueError: as `non_dominated`.
    """
    losses = _losses(values, directions)
    ranks = np.zeros(len(losses), dtype=np.int64)
    left = np.arange(len(losses))
    rank = 0
    while len(left):
        on_front = non_dominated(losses[left], ["minimize"] * losses.shape[1])
        ranks[left[on_front]] = rank
        left = left[~on_front]
        rank += 1
    return ranks


def hypervolume(values: ArrayLike, reference: ArrayLike, directions: Sequence[Direction]) -> float:
    """Volume between the points and the reference, in the product of the objectives' units; higher is better.

    Exact for every m, by slicing along the last objective: O(n log n) for m = 2, one factor n more for each further objective.

    Args:
        values: shape (n, m). A point that is not better than the reference everywhere adds nothing.
        reference: shape (m,), the worst value of each objective.
        directions: one an objective.

    Raises:
        ValueError: as `non_dominated`; the reference counts as a value.
    """
    losses = _losses(values, directions)
    worst = _losses(np.asarray(reference, dtype=float)[None], directions)[0]
    return _dominated_volume(losses[np.all(losses < worst, axis=1)], worst)


def knee_distances(values: ArrayLike, directions: Sequence[Direction]) -> Floats:
    """How far each point bulges towards the ideal, shape (n,); higher is better.

    Every objective is scaled to [0, 1] over the front (0 its best value there, 1 its worst; 0 where they are equal). The distance is to
    the hyperplane through the m points that are worst at one objective and best at the others; for m = 2 it is the line through
    the front's two ends. The idea is Das's (On characterizing the knee of the Pareto curve, Structural Optimization 18, 1999).
    Dominated points get -inf.

    Raises:
        ValueError: as `non_dominated`.
    """
    losses = _losses(values, directions)
    distances = np.full(len(losses), -np.inf)
    on_front = non_dominated(losses, ["minimize"] * losses.shape[1])
    if not on_front.any():
        return distances
    front = losses[on_front]
    best, worst = front.min(axis=0), front.max(axis=0)
    spread = np.where(worst > best, worst - best, 1.0)
    scaled = (front - best) / spread
    distances[on_front] = (1.0 - scaled.sum(axis=1)) / np.sqrt(losses.shape[1])
    return distances


def _losses(values: ArrayLike, directions: Sequence[Direction]) -> Floats:
    """The values as (n, m) float64, turned so that lower is better everywhere."""
    array = np.asarray(values, dtype=np.float64)
    m = len(directions)
    if array.size == 0:
        array = array.reshape(-1, m)
    if m == 0 or array.ndim != 2 or array.shape[1] != m:
        raise ValueError(f"expected values of shape (n, {m}), one column a direction, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite values, got {array[~np.isfinite(array).all(axis=1)][0].tolist()}")
    unknown = sorted({str(d) for d in directions} - {"minimize", "maximize"})
    if unknown:
        raise ValueError(f"expected minimize or maximize, got {unknown[0]!r}")
    signs = np.array([1.0 if d == "minimize" else -1.0 for d in directions])
    losses: Floats = array * signs
    return losses


def _dominated_volume(losses: Floats, worst: Floats) -> float:
    """Of points that are below `worst` everywhere, all objectives minimised."""
    if not len(losses):
        return 0.0
    if losses.shape[1] == 1:
        return float(worst[0] - losses.min())
    ordered = losses[np.argsort(losses[:, -1], kind="stable")]
    depths = np.diff(ordered[:, -1], append=worst[-1])
    if losses.shape[1] == 2:
        reached = np.minimum.accumulate(ordered[:, 0])
        return float(np.sum((worst[0] - reached) * depths))
    return sum(float(depth) * _dominated_volume(ordered[: i + 1, :-1], worst[:-1]) for i, depth in enumerate(depths) if depth > 0)

"""Dominance on plain arrays.

Values have shape (n, m): n points, m objectives. A point dominates another if it is nowhere worse
and somewhere better. `directions` names one direction an objective; None minimises all of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deft_sweeps.metrics import Direction

Floats = NDArray[np.float64]


def losses(values: ArrayLike, directions: Sequence[Direction] | None = None) -> Floats:
    """The values turned so that lower is better everywhere, shape (n, m).

    Raises:
        ValueError: a value is not finite, or the shape does not fit the directions.
    """
    array = np.asarray(values, dtype=np.float64)
    m = array.shape[-1] if directions is None and array.ndim == 2 else len(directions or ())
    if array.size == 0:
        array = array.reshape(-1, m)
    if m == 0 or array.ndim != 2 or array.shape[1] != m:
        expected = f"expected values of shape (n, {m}), one column a direction"
        raise ValueError(f"{expected}, got {array.shape}")
    if not np.isfinite(array).all():
        broken = array[~np.isfinite(array).all(axis=1)][0].tolist()
        raise ValueError(f"expected finite values, got {broken}")
    if directions is None:
        return array
    unknown = sorted({str(d) for d in directions} - {"minimize", "maximize"})
    if unknown:
        raise ValueError(f"expected minimize or maximize, got {unknown[0]!r}")
    turned: Floats = array * np.array([1.0 if d == "minimize" else -1.0 for d in directions])
    return turned


def dominates(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether the points of `first` dominate those of `second`.

    Args:
        first: losses, shape (..., m).
        second: losses that broadcast with `first`.

    Returns:
        The shape of both without the last axis.
    """
    pairs = list(zip(np.moveaxis(first, -1, 0), np.moveaxis(second, -1, 0), strict=True))
    # One objective at a time: a third of the time of comparing whole rows.
    no_worse, better = pairs[0][0] <= pairs[0][1], pairs[0][0] < pairs[0][1]
    for one, other in pairs[1:]:
        no_worse, better = no_worse & (one <= other), better | (one < other)
    result: NDArray[np.bool_] = no_worse & better
    return result


def covered(points: Floats, front: Floats) -> NDArray[np.bool_]:
    """Which points are nowhere better than some point of the front: losses, shape (n,)."""
    result: NDArray[np.bool_] = np.all(front[None] <= points[:, None], axis=2).any(axis=1)
    return result


def non_dominated(
    values: ArrayLike, directions: Sequence[Direction] | None = None
) -> NDArray[np.bool_]:
    """Which points no other point dominates, shape (n,); equal points are all non-dominated.

    O(n m) for each non-dominated point.

    Raises:
        ValueError: as `losses`.
    """
    points = losses(values, directions)
    on_front = np.zeros(len(points), dtype=bool)
    # In lexicographic order only an earlier, non-dominated point can dominate a point.
    candidates = np.lexsort(points.T[::-1])
    while len(candidates):
        first, candidates = candidates[0], candidates[1:]
        on_front[first] = True
        rivals = points[candidates]
        better = np.any(rivals < points[first], axis=1)
        candidates = candidates[better | np.all(rivals == points[first], axis=1)]
    return on_front

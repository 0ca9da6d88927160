"""The hypervolume of a front."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from deft_sweeps.front.dominance import Floats, losses
from deft_sweeps.metrics import Direction


def hypervolume(
    values: ArrayLike, reference: ArrayLike, directions: Sequence[Direction] | None = None
) -> float:
    """Volume between the points and the reference, in the product of the objectives' units.

    Higher is better. Exact for every m, by slicing along the last objective: O(n log n) for m = 2,
    one factor n more for each further objective.

    Args:
        values: shape (n, m). A point adds nothing unless it is better than the reference
            everywhere.
        reference: shape (m,), the worst value of each objective.
        directions: one an objective; None minimises all of them.

    Raises:
        ValueError: as `losses`; the reference counts as a value.
    """
    worst = losses(np.asarray(reference, dtype=float)[None], directions)[0]
    array = np.asarray(values, dtype=float)
    points = losses(array if array.size else array.reshape(0, len(worst)), directions)
    if points.shape[1] != len(worst):
        raise ValueError(f"expected values of shape (n, {len(worst)}), got {points.shape}")
    return _dominated_volume(points[np.all(points < worst, axis=1)], worst)


def _dominated_volume(points: Floats, worst: Floats) -> float:
    """The volume behind points that are below `worst` everywhere."""
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(worst[0] - points.min())
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    depths = np.diff(ordered[:, -1], append=worst[-1])
    if points.shape[1] == 2:
        reached = np.minimum.accumulate(ordered[:, 0])
        return float(np.sum((worst[0] - reached) * depths))
    return sum(
        float(depth) * _dominated_volume(ordered[: i + 1, :-1], worst[:-1])
        for i, depth in enumerate(depths)
        if depth > 0
    )

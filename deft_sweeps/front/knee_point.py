"""The knee of a front."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from deft_sweeps.front.dominance import Floats, losses, non_dominated
from deft_sweeps.metrics import Direction


def knee_distances(values: ArrayLike, directions: Sequence[Direction] | None = None) -> Floats:
    """How far each point bulges towards the ideal, shape (n,); higher is better.

    Every objective is scaled to [0, 1] over the front: 0 is its best value there, 1 its worst, and
    0 stands for both if they are equal. The distance is to the hyperplane through the m points that
    are worst at one objective and best at the others. With m = 2 that is the line through the two
    ends of the front. The idea is Das's (On characterizing the knee of the Pareto curve, Structural
    Optimization 18, 1999). Dominated points get -inf.

    Raises:
        ValueError: as `losses`.
    """
    points = losses(values, directions)
    distances = np.full(len(points), -np.inf)
    on_front = non_dominated(points)
    if not on_front.any():
        return distances
    front = points[on_front]
    best, worst = front.min(axis=0), front.max(axis=0)
    spread = np.where(worst > best, worst - best, 1.0)
    scaled = (front - best) / spread
    distances[on_front] = (1.0 - scaled.sum(axis=1)) / np.sqrt(points.shape[1])
    return distances

"""The fewest trials that could reach a share of the true front's volume: what bounds every searcher
from below.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.search.problem import Floats, Truth, directions
from deft_sweeps.front import non_dominated

MOST_NODES = 200_000


def fewest(points: Sequence[Floats], truth: Truth, target: float) -> tuple[int, bool]:
    """Size of the smallest set of configurations that reaches `target`, and whether it is known to
    be the smallest.

    What a configuration adds to a volume only falls as others are there, so a set that cannot get
    there even if the next ones added all that they would add now is not gone on with. Past
    MOST_NODES sets the answer is that of taking the best next one, an upper bound.

    Args:
        points: of each configuration, shape (thresholds, m).
        truth: the volume.
        target: share of it, in (0, 1], that all configurations together reach.
    """
    target -= 1e-9  # What all of them reach together is subject to rounding.
    turned = directions(truth.objectives)
    nothing: Floats = np.empty((0, len(turned)))
    n_nodes = 0

    def joined(front: Floats, more: Floats) -> Floats:
        both = np.concatenate([front, more])
        return both[non_dominated(both, turned)]

    def gains(front: Floats, among: Sequence[int]) -> Floats:
        return np.array([truth.share(joined(front, points[i])) for i in among]) - truth.share(front)

    def reaches(front: Floats, among: Sequence[int], n: int) -> bool:
        nonlocal n_nodes
        n_nodes += 1
        lacking = target - truth.share(front)
        added = gains(front, among)
        order = np.argsort(-added, kind="stable")
        if len(order) and added[order[0]] >= lacking:
            return True
        for place, i in enumerate(order):
            # The sets with an earlier one were looked at before, so only what stands behind may
            # join.
            left = order[place : place + n]
            if n == 1 or added[left].sum() < lacking or n_nodes > MOST_NODES:
                return False
            if reaches(
                joined(front, points[among[i]]), [among[j] for j in order[place + 1 :]], n - 1
            ):
                return True
        return False

    every = list(range(len(points)))
    front, greedy = nothing, 0
    while truth.share(front) < target:
        front = joined(front, points[int(np.argmax(gains(front, every)))])
        greedy += 1
    for n in range(1, greedy):
        if reaches(nothing, every, n):
            return n, True
        if n_nodes > MOST_NODES:
            return greedy, False
    return greedy, True

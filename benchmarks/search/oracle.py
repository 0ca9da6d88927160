"""The fewest trials that could reach a share of the true volume: a bound on every searcher."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.search.problem import Floats, Truth, directions
from deft_sweeps.front import non_dominated

MOST_NODES = 200_000


def fewest(points: Sequence[Floats], truth: Truth, target: float) -> tuple[int, bool]:
    """Size of the smallest set of configurations that reaches `target`, and whether it is proven.

    A branch-and-bound search over sets. The gain of a configuration only falls as others join its
    set, so a set is dropped if its best candidates could not reach the target with the gains they
    have now. After MOST_NODES sets the search gives up; the size is then that of the greedy
    choice, an upper bound.

    Args:
        points: of each configuration, shape (thresholds, m).
        truth: the front and its volume.
        target: share of the volume, in (0, 1], that all configurations together reach.
    """
    search = _SubsetSearch(points, truth, target - 1e-9)  # The share of all of them is rounded.
    greedy = search.greedy_size()
    for n in range(1, greedy):
        if search.reaches(search.empty_front, search.all_indices, n):
            return n, True
        if search.n_nodes > MOST_NODES:
            return greedy, False
    return greedy, True


@dataclass(slots=True)
class _SubsetSearch:
    """Looks for sets of configurations that reach a share of a volume.

    Attributes:
        points: of each configuration, shape (thresholds, m).
        target: share of the volume.
        n_nodes: sets that were examined.
    """

    points: Sequence[Floats]
    truth: Truth
    target: float
    n_nodes: int = 0

    @property
    def all_indices(self) -> list[int]:
        return list(range(len(self.points)))

    @property
    def empty_front(self) -> Floats:
        return np.empty((0, len(self.truth.objectives)))

    def greedy_size(self) -> int:
        """Size of the set that takes the configuration with the largest gain until it suffices."""
        front, n = self.empty_front, 0
        while self.truth.share(front) < self.target:
            best = int(np.argmax(self._gains(front, self.all_indices)))
            front = self._joined(front, self.points[best])
            n += 1
        return n

    def reaches(self, front: Floats, candidates: Sequence[int], n: int) -> bool:
        """Whether at most `n` of the candidates lift the front to the target.

        Also False once MOST_NODES sets were examined.
        """
        self.n_nodes += 1
        missing_share = self.target - self.truth.share(front)
        gains = self._gains(front, candidates)
        order = np.argsort(-gains, kind="stable")
        if len(order) and gains[order[0]] >= missing_share:
            return True
        for place, i in enumerate(order):
            # Sets with an earlier candidate have been examined: only later ones may join.
            bound = gains[order[place : place + n]].sum()
            if n == 1 or bound < missing_share or self.n_nodes > MOST_NODES:
                return False
            later = [candidates[j] for j in order[place + 1 :]]
            if self.reaches(self._joined(front, self.points[candidates[i]]), later, n - 1):
                return True
        return False

    def _gains(self, front: Floats, candidates: Sequence[int]) -> Floats:
        shares = [self.truth.share(self._joined(front, self.points[i])) for i in candidates]
        return np.array(shares) - self.truth.share(front)

    def _joined(self, front: Floats, more: Floats) -> Floats:
        both = np.concatenate([front, more])
        return both[non_dominated(both, directions(self.truth.objectives))]

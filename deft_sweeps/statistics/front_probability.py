"""How probable it is that a point belongs on the front: Monte Carlo over the measurements'
noise.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.front import Floats, dominates
from deft_sweeps.statistics.measurement_noise import ExampleNoise, SeedNoise

N_DRAWS = 2000
_CHUNK = 1 << 21
"""Numbers drawn at a time, which bounds the memory."""


def front_probabilities(
    losses: Floats,
    members: Sequence[int],
    noises: Sequence[SeedNoise | ExampleNoise],
    signs: Floats,
    seed: int = 0,
) -> Floats:
    """In which share of N_DRAWS draws no other point dominates each member, shape (members,).

    Args:
        losses: of the points, lower is better, shape (n, m).
        members: indices of the points asked about.
        noises: one at least, over the same points; their deviations add up.
        signs: that turn an objective's deviation into a loss's, shape (m,).
        seed: of the draws.
    """
    squares = sum((noise.largest_moves() ** 2 for noise in noises), np.zeros_like(losses))
    rivals_of = _rivals(losses, np.sqrt(squares), members)
    drawn = np.unique(np.concatenate([np.asarray(members, dtype=int), *rivals_of]))
    samplers = [noise.sampler(drawn) for noise in noises]
    rng = np.random.default_rng(seed)
    width = drawn.size * losses.shape[1] + sum(getattr(noise, "n", 0) for noise in noises)
    draws = (sum((draw(n, rng) for draw in samplers), np.zeros(())) * signs for n in _pieces(width))
    return front_shares(
        losses[drawn],
        draws,
        np.searchsorted(drawn, members),
        [np.searchsorted(drawn, rivals) for rivals in rivals_of],
    )


def front_shares(
    losses: Floats,
    noise: Iterable[Floats],
    members: Sequence[int] | NDArray[np.int64] | None = None,
    rivals_of: Sequence[NDArray[np.int64]] | None = None,
) -> Floats:
    """In which share of the draws no other point dominates each point.

    Args:
        losses: shape (n, m).
        noise: to be added, in pieces of shape (draws, n, m).
        members: indices of the points asked about; None is all of them.
        rivals_of: for each of them the indices of the points that may dominate it; None is all.
    """
    wanted = np.arange(len(losses)) if members is None else np.asarray(members, dtype=int)
    everyone = np.arange(len(losses))
    counts, n_draws = np.zeros(len(wanted)), 0
    for piece in noise:
        # One contiguous row of draws a point: rivals are then picked by copying whole rows.
        columns = [np.ascontiguousarray(moves.T) for moves in np.moveaxis(piece, 2, 0)]
        is_still = [not moves.any() for moves in columns]
        still = losses[:, is_still]
        moved = [moves + losses[:, [j]] for j, moves in enumerate(columns) if not is_still[j]]
        for k, i in enumerate(wanted):
            rivals = everyone if rivals_of is None else rivals_of[k]
            # What stands still in all draws is compared once.
            rivals = rivals[(still[rivals] <= still[i]).all(axis=1)]
            ahead = (still[rivals] < still[i]).any(axis=1)
            beaten = _any_no_worse(moved, i, rivals[ahead], len(piece))
            beaten |= _any_dominates(moved, i, rivals[~ahead], len(piece))
            counts[k] += len(piece) - beaten.sum()
        n_draws += len(piece)
    shares: Floats = counts / max(1, n_draws)
    return shares


def _any_no_worse(
    moved: Sequence[Floats], i: int, rivals: NDArray[np.int64], n: int
) -> NDArray[np.bool_]:
    """In which of `n` draws one of the rivals is nowhere worse than point i, shape (n,).

    Args:
        moved: the losses that differ by draw, shape (points, n) each.
        i: index of the point.
        rivals: indices.
        n: number of draws.
    """
    if not len(rivals):
        return np.zeros(n, dtype=bool)
    if len(moved) == 1:
        lowest: Floats = moved[0][rivals].min(axis=0)
        lower: NDArray[np.bool_] = lowest <= moved[0][i]
        return lower
    if not moved:
        return np.ones(n, dtype=bool)
    no_worse = reduce(np.logical_and, [loss[rivals] <= loss[i] for loss in moved])
    any_of: NDArray[np.bool_] = no_worse.any(axis=0)
    return any_of


def _any_dominates(
    moved: Sequence[Floats], i: int, rivals: NDArray[np.int64], n: int
) -> NDArray[np.bool_]:
    """In which of `n` draws one of the rivals dominates point i; as `_any_no_worse`."""
    result = np.zeros(n, dtype=bool)
    if not len(rivals) or not moved:
        return result
    no_worse = reduce(np.logical_and, [loss[rivals] <= loss[i] for loss in moved])
    other, draw = no_worse.nonzero()  # Few: the rest is looked at for them alone.
    better = reduce(np.logical_or, [loss[rivals][other, draw] < loss[i][draw] for loss in moved])
    result[draw[better]] = True
    return result


def _rivals(losses: Floats, reach: Floats, members: Sequence[int]) -> list[NDArray[np.int64]]:
    """For each member, the points that could dominate it if both moved as far as they reach.

    A point that another member stays ahead of even so is left out: whatever it dominates, that
    member dominates too.
    """
    beaten = np.zeros(len(losses), dtype=bool)
    threatens = []
    for i in members:
        best = losses - np.hypot(reach, reach[i])
        beaten |= dominates(losses[i], best)
        threatens.append(np.all(best <= losses[i], axis=1))
    return [np.flatnonzero(one & ~beaten) for one in threatens]


def _pieces(width: int) -> Iterator[int]:
    """Numbers of draws that add up to N_DRAWS, none so large that memory counts."""
    size = max(1, min(N_DRAWS, _CHUNK // max(1, width)))
    for begin in range(0, N_DRAWS, size):
        yield min(size, N_DRAWS - begin)

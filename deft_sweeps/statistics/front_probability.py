"""How probable it is that a point belongs on the front: Monte Carlo over the measurements' noise."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

import numpy as np

from deft_sweeps.front import Floats, dominates
from deft_sweeps.statistics.measurement_noise import ExampleNoise, SeedNoise

N_DRAWS = 2000
_CHUNK = 1 << 18
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
    squares = sum((noise.reach() ** 2 for noise in noises), np.zeros_like(losses))
    rivals = np.flatnonzero(_within_reach(losses, np.sqrt(squares), members))
    samplers = [noise.sampler(rivals) for noise in noises]
    rng = np.random.default_rng(seed)
    width = rivals.size * losses.shape[1] + sum(getattr(noise, "n", 0) for noise in noises)
    draws = (sum((draw(n, rng) for draw in samplers), np.zeros(())) * signs for n in _pieces(width))
    place = {int(i): k for k, i in enumerate(rivals)}
    return front_shares(losses[rivals], draws, [place[i] for i in members])


def front_shares(losses: Floats, noise: Iterable[Floats], members: Sequence[int] | None = None) -> Floats:
    """In which share of the draws no other point dominates each point.

    Args:
        losses: shape (n, m).
        noise: to be added, in pieces of shape (draws, n, m).
        members: indices of the points asked about; None is all of them.
    """
    wanted = np.arange(len(losses)) if members is None else np.asarray(members, dtype=int)
    counts, n_draws = np.zeros(len(wanted)), 0
    for piece in noise:
        # One contiguous column an objective, and few points are nowhere worse: several times
        # faster than comparing whole rows.
        columns = [np.ascontiguousarray(c) for c in np.moveaxis(losses + piece, 2, 0)]
        for k, i in enumerate(wanted):
            no_worse = reduce(np.logical_and, [c <= c[:, i : i + 1] for c in columns])
            draw, other = no_worse.nonzero()
            better = reduce(np.logical_or, [c[draw, other] < c[draw, i] for c in columns])
            counts[k] += len(piece) - len(np.unique(draw[better]))
        n_draws += len(piece)
    shares: Floats = counts / max(1, n_draws)
    return shares


def _within_reach(losses: Floats, reach: Floats, members: Sequence[int]) -> np.ndarray:
    """Which points could be on the front if each gained on a member as much as both together reach.

    The members are among them. A point that a member stays ahead of even so can be left out:
    whatever it dominates, that member dominates too.
    """
    beaten = np.zeros(len(losses), dtype=bool)
    for i in members:
        beaten |= dominates(losses[i], losses - np.hypot(reach, reach[i]))
    return ~beaten


def _pieces(width: int) -> Iterator[int]:
    """Numbers of draws that add up to N_DRAWS, none so large that memory counts."""
    size = max(1, min(N_DRAWS, _CHUNK // max(1, width)))
    for begin in range(0, N_DRAWS, size):
        yield min(size, N_DRAWS - begin)

"""Orders points on several objectives, best first, without a weighted sum.

Every order puts a point behind all points that dominate it. Values have shape (n, m), with one
direction per objective. Ties are broken by the losses, the first objective first; equal points keep
the order in which they were given.

The spread is that of MO-ASHA (Schmucker et al., Multi-objective Asynchronous Successive Halving,
arXiv 2106.12639, section 4):
non-dominated sorting, and within a layer an epsilon-net, so that any first part of the order is
spread over the whole front.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deft_sweeps.front import hypervolume, non_dominated
from deft_sweeps.metrics import Direction
from deft_sweeps.specification.search_settings import RankName

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_MEASURED = 128
"""Maximum number of points of a layer whose exclusive volume is computed with three objectives;
half as many with each further objective."""


def order(
    values: ArrayLike,
    directions: Sequence[Direction],
    how: RankName,
    violations: ArrayLike | None = None,
) -> Ints:
    """Indices of the points, best first, shape (n,).

    Args:
        values: finite, shape (n, m).
        directions: one an objective.
        how: `spread`, `crowding` and `hypervolume` sort by non-dominated layers, and within a layer
            by epsilon-net, by crowding distance (NSGA-II), by exclusive hypervolume; these three
            are invariant to shifting and scaling an objective. `dominated` sorts by the share of
            the others that dominate a point, ascending, then by the share that it dominates,
            descending; it is invariant to every strictly increasing function of an objective,
            except in ties.
        violations: how far each point is outside the limits, >= 0, shape (n,). Points above 0 come
            last, the smallest violation first. None means that all are within.
    """
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    losses = np.asarray(values, dtype=np.float64).reshape(-1, len(signs)) * signs
    outside = (
        np.zeros(len(losses)) if violations is None else np.asarray(violations, dtype=np.float64)
    )
    within = np.flatnonzero(outside <= 0)
    # From here on the order the points came in matters for equal points only.
    within = within[np.lexsort(losses[within].T[::-1])]
    ordered = [within[_within(losses[within], how)]]
    beyond = np.flatnonzero(outside > 0)
    ordered.append(beyond[np.lexsort((*losses[beyond].T[::-1], outside[beyond]))])
    return np.concatenate(ordered)


def order_of_owners(points: Ints, owners: Sequence[int]) -> Ints:
    """Owners of the points, best first, each once, at the rank of its best point.

    An owner's other points do not change its rank among the owners, so a trial that is measured at
    more thresholds has more tries but no more weight.

    Args:
        points: as `order` gives them.
        owners: of each point.
    """
    ordered = np.asarray(owners, dtype=np.int64)[points]
    firsts = np.sort(np.unique(ordered, return_index=True)[1])
    return ordered[firsts]


def dominations(losses: Floats) -> NDArray[np.bool_]:
    """Whether i dominates j at [i, j], shape (n, n); lower is better everywhere."""
    no_worse = np.ones((len(losses), len(losses)), dtype=bool)
    better = np.zeros_like(no_worse)
    for column in losses.T:
        no_worse &= column[:, None] <= column
        better |= column[:, None] < column
    return no_worse & better


def layers(beats: NDArray[np.bool_]) -> tuple[Ints, ...]:
    """The non-dominated points, then the non-dominated ones of the rest, and so on.

    Args:
        beats: whether i dominates j at [i, j], as `dominations` returns.

    Returns:
        Ascending indices of each layer.
    """
    remaining = np.ones(len(beats), dtype=bool)
    n_above = beats.sum(axis=0)
    found_layers = []
    while remaining.any():
        layer = np.flatnonzero(remaining & (n_above == 0))
        found_layers.append(layer)
        remaining[layer] = False
        n_above = n_above - beats[layer].sum(axis=0)
    return tuple(found_layers)


def epsilon_net(losses: Floats) -> Ints:
    """An order of the points in which each is the farthest from all before it, from point 0 on.

    Distances are Euclidean, with every objective scaled to [0, 1] over the points.
    """
    scaled = _scaled(losses)
    gaps = np.full(len(losses), np.inf)
    picked = np.zeros(len(losses), dtype=np.int64)
    for i in range(len(losses)):
        picked[i] = np.argmax(gaps)
        gaps = np.minimum(gaps, np.linalg.norm(scaled - scaled[picked[i]], axis=1))
        gaps[picked[: i + 1]] = -1.0
    return picked


def by_crowding(losses: Floats) -> Ints:
    """Indices by crowding distance, the largest first (Deb et al., NSGA-II, 2002).

    The distance is the sum over objectives, scaled to [0, 1], of the gap between a point's two
    neighbours; it is infinite at the ends of an objective.
    """
    scaled = _scaled(losses)
    distance = np.zeros(len(losses))
    for column in scaled.T:
        along = np.argsort(column, kind="stable")
        distance[along[1:-1]] += column[along[2:]] - column[along[:-2]]
        distance[along[[0, -1]]] = np.inf
    return np.argsort(-distance, kind="stable")


def by_hypervolume(losses: Floats, worst: Floats) -> Ints:
    """Indices by the volume that a point alone adds to its layer, the largest first.

    With more than two objectives, the volume is computed only among the first points of the layer's
    epsilon-net, since its cost grows steeply with points and objectives; the others follow in the
    order of the net.

    Args:
        losses: of points that do not dominate one another, sorted by the first objective.
        worst: the reference, beyond every point, shape (m,).
    """
    m = losses.shape[1]
    if m == 2:
        right = np.append(losses[1:, 0], worst[0])
        above = np.insert(losses[:-1, 1], 0, worst[1])
        gained = (right - losses[:, 0]) * (above - losses[:, 1])
    else:
        net = epsilon_net(losses)
        most = max(1, MOST_MEASURED >> max(0, m - 3))
        first = np.sort(net[:most])
        gained = np.array(
            [
                _exclusive(np.delete(losses[first], i, axis=0), losses[at], worst)
                for i, at in enumerate(first)
            ]
        )
        return np.concatenate([first[np.argsort(-gained, kind="stable")], net[most:]])
    return np.argsort(-gained, kind="stable")


def _exclusive(others: Floats, point: Floats, worst: Floats) -> float:
    """The volume that the point dominates and the others do not.

    Of what the others dominate, only the part behind the point counts (While et al., A fast way of
    calculating exact hypervolumes, IEEE Transactions on Evolutionary Computation 16, 2012).
    """
    down: list[Direction] = ["minimize"] * len(point)
    behind = np.maximum(others, point)
    behind = np.unique(behind[non_dominated(behind, down)], axis=0)
    return float(np.prod(worst - point)) - hypervolume(behind, worst, down)


def _within(losses: Floats, how: RankName) -> Ints:
    """Order of points that are sorted by their losses."""
    beats = dominations(losses)
    match how:
        case "spread":
            return _by_layer(losses, beats, epsilon_net)
        case "crowding":
            return _by_layer(losses, beats, by_crowding)
        case "hypervolume":
            # An eighth beyond the worst, so that the ends of a layer have a volume of their own.
            worst = (
                losses.max(axis=0, initial=-np.inf) + 0.125 * np.ptp(losses, axis=0)
                if len(losses)
                else np.zeros(losses.shape[1])
            )
            return _by_layer(losses, beats, lambda layer: by_hypervolume(layer, worst))
        case "dominated":
            return np.lexsort((-beats.sum(axis=1), beats.sum(axis=0)))
        case unknown:
            assert_never(unknown)


def _by_layer(losses: Floats, beats: NDArray[np.bool_], inside: Callable[[Floats], Ints]) -> Ints:
    ordered = [layer[inside(losses[layer])] for layer in layers(beats)]
    return np.concatenate(ordered) if ordered else np.zeros(0, dtype=np.int64)


def _scaled(losses: Floats) -> Floats:
    if not len(losses):
        return losses
    low, span = losses.min(axis=0), np.ptp(losses, axis=0)
    scaled: Floats = (losses - low) / np.where(span > 0, span, 1.0)
    return scaled

"""The orders against naive loops and their own promises."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from deft_sweeps.front import hypervolume
from deft_sweeps.metrics import Direction
from deft_sweeps.specification.search_settings import RankName
from deft_sweeps.stopping import ranking
from deft_sweeps.stopping.ranking import (
    by_crowding,
    by_hypervolume,
    dominations,
    epsilon_net,
    layers,
    order,
    order_of_owners,
)

HOW: tuple[RankName, ...] = get_args(RankName)
BOTH: tuple[Direction, ...] = ("maximize", "minimize")
LAYERED: tuple[RankName, ...] = ("spread", "crowding", "hypervolume")


def grids(columns: int = 2) -> st.SearchStrategy[np.ndarray]:
    """Points with ties and duplicates; whole numbers, so that scaling by a power of two changes no
    bit.
    """
    return arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 14), st.just(columns)),
        elements=st.integers(0, 6).map(float),
    )


def beats(a: Sequence[float], b: Sequence[float], directions: Sequence[Direction]) -> bool:
    signs = [1 if d == "minimize" else -1 for d in directions]
    pairs = [(s * x, s * y) for s, x, y in zip(signs, a, b, strict=True)]
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


def naive_net(points: list[list[float]]) -> list[int]:
    """Greedy: from the first point, always the one whose nearest picked point is farthest."""
    lows, highs = (
        [min(c) for c in zip(*points, strict=True)],
        [max(c) for c in zip(*points, strict=True)],
    )
    scaled = [
        [(x - lo) / ((hi - lo) or 1) for x, lo, hi in zip(p, lows, highs, strict=True)]
        for p in points
    ]
    picked = [0]
    while len(picked) < len(points):
        gaps = {
            i: min(
                sum((a - b) ** 2 for a, b in zip(scaled[i], scaled[j], strict=True)) ** 0.5
                for j in picked
            )
            for i in range(len(points))
            if i not in picked
        }
        picked.append(next(i for i, gap in gaps.items() if gap == max(gaps.values())))
    return picked


@pytest.mark.parametrize("how", HOW)
@settings(max_examples=25)
@given(values=grids(), shuffle=st.randoms(use_true_random=False))
def test_an_order_does_not_depend_on_how_the_points_came(
    how: RankName, values: np.ndarray, shuffle: "np.random.Generator"
) -> None:
    places = list(range(len(values)))
    shuffle.shuffle(places)
    one, other = values[order(values, BOTH, how)], values[places][order(values[places], BOTH, how)]
    assert one.tolist() == other.tolist()


@pytest.mark.parametrize("how", HOW)
@settings(max_examples=25)
@given(values=st.one_of(grids(2), grids(3)))
def test_every_point_stands_once_and_behind_what_dominates_it(
    how: RankName, values: np.ndarray
) -> None:
    every: tuple[Direction, ...] = ("maximize", "minimize", "minimize")
    directions = every[: values.shape[1]]
    ordered = order(values, directions, how).tolist()
    assert sorted(ordered) == list(range(len(values)))
    for place, i in enumerate(ordered):
        assert not any(beats(values[j], values[i], directions) for j in ordered[place + 1 :])


@pytest.mark.parametrize("how", LAYERED)
@settings(max_examples=25)
@given(values=grids(), shift=st.integers(-8, 8), scale=st.sampled_from([0.25, 2.0, 64.0]))
def test_shifting_and_scaling_an_objective_changes_nothing(
    how: RankName, values: np.ndarray, shift: int, scale: float
) -> None:
    assert (
        order(values * [scale, 1.0] + [shift, 0.0], BOTH, how).tolist()
        == order(values, BOTH, how).tolist()
    )


@settings(max_examples=25)
@given(values=grids())
def test_dominated_share_does_not_change_under_any_rising_function(values: np.ndarray) -> None:
    bent = np.stack([values[:, 0] ** 3, np.exp(values[:, 1])], axis=1)
    assert order(bent, BOTH, "dominated").tolist() == order(values, BOTH, "dominated").tolist()


@settings(max_examples=25)
@given(values=grids(3))
def test_layers_are_those_of_the_front(values: np.ndarray) -> None:
    assert [layer.tolist() for layer in layers(dominations(values))] == [
        sorted(members.tolist()) for members in NonDominatedSorting().do(values)
    ]


@settings(max_examples=25)
@given(values=grids())
def test_domination_is_that_of_a_loop(values: np.ndarray) -> None:
    loop = [[beats(a, b, ("minimize", "minimize")) for b in values] for a in values]
    assert dominations(values).tolist() == loop


@settings(max_examples=25)
@given(values=grids(3))
def test_the_net_is_the_greedy_one(values: np.ndarray) -> None:
    # Thirds and sixths are not exact, so distances that are equal on paper may differ in a last
    # bit: scale by powers of two only.
    values = np.where(values > 4, 4.0, np.where(values == 3, 2.0, values))
    assert epsilon_net(values).tolist() == naive_net(values.tolist())


def test_the_first_of_a_net_are_spread() -> None:
    line = np.stack([np.linspace(0, 1, 9), np.linspace(1, 0, 9)], axis=1)
    assert epsilon_net(line)[:5].tolist() == [0, 8, 4, 2, 6]


def test_crowding_is_the_published_sum() -> None:
    front = np.array([[0.0, 10.0], [1.0, 6.0], [2.0, 5.0], [7.0, 1.0], [10.0, 0.0]])
    distances = [
        np.inf,
        (2 - 0) / 10 + (10 - 5) / 10,
        (7 - 1) / 10 + (6 - 1) / 10,
        (10 - 2) / 10 + (5 - 0) / 10,
        np.inf,
    ]
    assert by_crowding(front).tolist() == sorted(range(5), key=lambda i: (-distances[i], i))


@pytest.mark.parametrize("n_objectives", [1, 2, 3, 4])
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 9))
def test_hypervolume_is_that_of_leaving_one_out(n_objectives: int, seed: int, n: int) -> None:
    points = np.random.default_rng(seed).uniform(size=(n, n_objectives))
    down: list[Direction] = ["minimize"] * n_objectives
    layer = points[layers(dominations(points))[0]]
    layer = layer[np.argsort(layer[:, 0])]
    worst = np.full(n_objectives, 1.1)
    gained = [
        hypervolume(layer, worst, down) - hypervolume(np.delete(layer, i, axis=0), worst, down)
        for i in range(len(layer))
    ]
    ordered = by_hypervolume(layer, worst)
    assert np.all(np.diff(np.array(gained)[ordered]) <= 1e-12)


def test_of_a_large_layer_only_the_first_of_a_net_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A verdict on four objectives over some hundred points would else take minutes."""
    calls: list[int] = []

    def counted(points: np.ndarray, worst: np.ndarray, directions: list[Direction]) -> float:
        calls.append(len(points))
        return hypervolume(points, worst, directions)

    monkeypatch.setattr(ranking, "hypervolume", counted)
    layer = np.random.default_rng(0).dirichlet(np.ones(4), 300)
    layer = layer[np.argsort(layer[:, 0])]
    ordered = by_hypervolume(layer, np.full(4, 1.1)).tolist()
    assert sorted(ordered) == list(range(300))
    n = ranking.MOST_MEASURED // 2
    assert len(calls) == n
    assert max(calls) < n
    net = epsilon_net(layer).tolist()
    assert ordered[n:] == net[n:]
    assert set(ordered[:n]) == set(net[:n])


def test_dominated_share_counts() -> None:
    values = np.array([[0.9, 0.9], [0.8, 0.5], [0.7, 0.6], [0.6, 0.2], [0.5, 0.7]])
    # The front is 0, 1, 3; of them 1 dominates two, 3 one, 0 none. 2 is dominated once, 4 by three.
    assert order(values, BOTH, "dominated").tolist() == [1, 3, 0, 2, 4]


@pytest.mark.parametrize("how", HOW)
def test_what_is_outside_the_limits_comes_last_by_how_far(how: RankName) -> None:
    values = np.array([[0.9, 0.1], [0.5, 0.9], [0.8, 0.1], [0.7, 0.7]])
    assert order(values, BOTH, how, [0.5, 0.0, 0.1, 0.0]).tolist() == [3, 1, 2, 0]
    assert order(values[:0], BOTH, how).tolist() == []


def test_an_owner_stands_where_its_best_point_stands() -> None:
    assert order_of_owners(np.array([3, 0, 4, 1, 2]), [7, 7, 2, 2, 5]).tolist() == [2, 7, 5]


@pytest.mark.parametrize("how", HOW)
@settings(max_examples=25)
@given(values=grids(), owners=st.lists(st.integers(0, 4), min_size=14, max_size=14))
def test_a_trial_that_another_beats_at_every_point_is_never_before_it(
    how: RankName, values: np.ndarray, owners: list[int]
) -> None:
    owners = owners[: len(values)]
    ordered = order_of_owners(order(values, BOTH, how), owners).tolist()
    of = {
        owner: [v for v, o in zip(values, owners, strict=True) if o == owner] for owner in ordered
    }
    for ahead, first in enumerate(ordered):
        for second in ordered[ahead + 1 :]:
            assert not all(any(beats(q, p, BOTH) for q in of[second]) for p in of[first])

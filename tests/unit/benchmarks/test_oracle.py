"""The smallest set that reaches a volume, against trying every set."""

import itertools

import numpy as np
import pytest

from benchmarks.search import oracle
from benchmarks.search.oracle import fewest
from benchmarks.search.problem import Truth, truth

OBJECTIVES = ("score", "activation_density")


def some(n: int, seed: int) -> tuple[list[np.ndarray], Truth]:
    points = list(np.random.default_rng(seed).random((n, 3, 2)))
    return points, truth(np.concatenate(points), OBJECTIVES, "linear")


def by_trying(points: list[np.ndarray], of: Truth, target: float) -> int:
    for n in range(1, len(points) + 1):
        if any(
            of.share(np.concatenate(chosen)) >= target
            for chosen in itertools.combinations(points, n)
        ):
            return n
    raise AssertionError("all together do not get there")


@pytest.mark.parametrize("target", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_trying_every_set_finds(seed: int, target: float) -> None:
    points, of = some(9, seed)
    assert fewest(points, of, target) == (by_trying(points, of, target), True)


def test_one_that_has_it_all_is_enough() -> None:
    points, of = some(5, 0)
    assert fewest([np.concatenate(points), *points], of, 1.0) == (1, True)


def test_a_search_cut_short_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    points, of = some(12, 1)
    monkeypatch.setattr(oracle, "MOST_NODES", 2)
    size, exact = fewest(points, of, 0.999)
    assert not exact
    assert size >= by_trying(points, of, 0.999)

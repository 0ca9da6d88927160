"""What the simulated ends of sweeps are summarised to, against loops."""

from itertools import combinations

import numpy as np
import pytest

from benchmarks.answer import BAND, Draw, in_closed_form, play, summarise
from deft_sweeps.objective import parse_policy

POLICY = parse_policy("best activation_density where score >= baseline(peft) - 0.02")
POPULATION = in_closed_form(0.06)


def draw(place: int, passes: list[int]) -> Draw:
    flags = np.isin(np.arange(len(POPULATION.truth)), passes)
    return Draw(place, True, False, float(POPULATION.truth[place]) + 0.01, flags)


def test_shares_and_densities() -> None:
    base = float(POPULATION.truth[0])
    broken = int(np.argmin(POPULATION.truth))
    assert POPULATION.truth[broken] < base - 0.02
    draws = [draw(0, [0]), draw(0, [0, 1]), draw(1, [0, 1]), draw(broken, [0, 2])]
    total = summarise(POPULATION, draws, POLICY)
    best = min(
        d for d, t in zip(POPULATION.densities, POPULATION.truth, strict=True) if t >= base - 0.02
    )
    assert total.broken == 0.25
    assert total.bias == pytest.approx(0.01)
    assert total.attainable == pytest.approx(POPULATION.densities[1] / best)
    shipped = [float(POPULATION.densities[one.shipped or 0]) for one in draws]
    pairs = list(combinations(shipped, 2))
    n_same = sum(abs(a - b) <= BAND * max(a, b) for a, b in pairs)
    assert total.same == pytest.approx(n_same / len(pairs))


def test_a_certified_choice_passes_its_own_test() -> None:
    rng = np.random.default_rng(3)
    for _ in range(3):
        played = play(POPULATION, POLICY, rng, n_validation=400, n_selection=1200)
        assert played.certified
        assert played.shipped is not None
        is_own = played.is_baseline
        assert is_own or bool(played.passes[played.shipped])

"""The scalarised gain against exact hypervolumes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deft_sweeps.front import hypervolume
from deft_sweeps.sampler.front.hypervolume_gain import directions, hypervolume_gains, scalarise

SCALE = {1: 1.0, 2: math.pi / 4, 3: math.pi / 6}
"""Volume of the unit ball's positive part, which turns the mean over directions into a volume."""


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_mean_scalarisation_is_the_hypervolume(m: int, seed: int) -> None:
    points = np.random.default_rng(seed).random((6, m))
    exact = hypervolume(points, [0.0] * m, ["maximize"] * m)
    assert SCALE[m] * scalarise(points, directions(4096, m)).mean() == pytest.approx(
        exact, rel=0.02
    )


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_gain_of_a_set_is_what_it_adds_to_the_hypervolume(m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    front, new = 0.7 * rng.random((4, m)), rng.random((3, 5, m))
    gains = SCALE[m] * hypervolume_gains(new, front, directions(4096, m))
    for gain, points in zip(gains, new, strict=True):
        both = hypervolume(np.concatenate([front, points]), [0.0] * m, ["maximize"] * m)
        assert gain == pytest.approx(
            both - hypervolume(front, [0.0] * m, ["maximize"] * m), abs=0.01
        )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=6),
    st.floats(0, 0.5),
)
def test_dominated_points_and_points_beyond_the_reference_gain_nothing(
    points: list[tuple[float, float]], less: float
) -> None:
    front = np.array(points)
    towards = directions(64, 2)
    assert hypervolume_gains(front - less, front, towards) == 0
    assert hypervolume_gains(-np.abs(front), front[:0], towards) == 0


def test_without_a_front_everything_is_gained() -> None:
    assert SCALE[2] * hypervolume_gains(
        np.array([[1.0, 1.0]]), np.empty((0, 2)), directions(4096, 2)
    ) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_directions_are_positive_and_of_length_one(m: int) -> None:
    towards = directions(128, m)
    assert towards.shape == (128, m)
    assert (towards > 0).all()
    np.testing.assert_allclose(np.linalg.norm(towards, axis=1), 1.0)

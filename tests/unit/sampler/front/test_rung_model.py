"""What rungs tell of ends: known lines are found again, noise is told apart, and nothing is made of nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.sampler.front.rung_model import line


def trained(n: int, slope: float, common: float, own: float, seed: int = 0, thresholds: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Rungs and ends of trainings on the line 0.2 t + slope x end, with such standard deviations."""
    rng = np.random.default_rng(seed)
    ends = rng.normal(0.0, 1.0, (n, 1)) + rng.normal(0.0, 0.3, (n, thresholds)) - np.arange(thresholds)
    rungs = 0.2 * np.arange(thresholds) + slope * ends + common * rng.normal(size=(n, 1)) + own * rng.normal(size=(n, thresholds))
    return rungs, ends


def test_a_line_is_found_again_with_its_noises() -> None:
    found = line(*trained(400, 0.5, 0.2, 0.1))
    assert found is not None
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.common == pytest.approx(0.04, rel=0.2)
    assert found.own == pytest.approx(0.01, rel=0.2)
    rungs, ends = trained(400, 0.5, 0.2, 0.1, seed=1)
    missed = np.array([found.end(rungs[row, at], at) - ends[row, at] for row in range(400) for at in range(4)])
    assert abs(missed.mean()) < 0.1
    assert missed.var() == pytest.approx(sum(found.end_variances), rel=0.2)


def test_rungs_that_tell_nothing_leave_the_end_in_doubt() -> None:
    rungs, ends = trained(30, 0.0, 1.0, 0.3)
    found = line(rungs, ends)
    assert found is None or sum(found.end_variances) > 10 * ends.var(axis=0).mean()


def test_rungs_that_fall_as_the_end_rises_tell_nothing() -> None:
    assert line(*trained(30, -0.5, 0.1, 0.1)) is None


def test_few_trainings_leave_more_in_doubt_than_many() -> None:
    doubts = []
    for n in (2, 3, 6, 20, 200):
        found = [line(*trained(n, 0.5, 0.1, 0.05, seed)) for seed in range(40)]
        doubts.append(np.median([sum(one.end_variances) for one in found if one is not None]))
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > 5 * doubts[-1]


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_say_nothing(n: int) -> None:
    assert line(*trained(n, 0.5, 0.1, 0.1)) is None


def test_ends_that_are_all_equal_say_nothing() -> None:
    assert line(trained(5, 0.5, 0.1, 0.1)[0], np.ones((5, 4))) is None


def test_a_threshold_that_was_not_measured_says_nothing_and_the_others_do() -> None:
    rungs, ends = trained(30, 0.5, 0.1, 0.1)
    whole = line(rungs, ends)
    rungs[:, 2] = np.nan
    rungs[4, 0] = np.nan
    found = line(rungs, ends)
    assert found is not None
    assert whole is not None
    assert np.isnan(found.end(0.3, 2))
    assert found.end(0.3, 1) == pytest.approx(whole.end(0.3, 1), abs=0.2)


@given(st.integers(2, 12), st.integers(0, 10_000), st.floats(0.5, 4.0), st.floats(-3.0, 3.0))
def test_units_do_not_matter(n: int, seed: int, scale: float, shift: float) -> None:
    """Of rungs in another unit the end is the same, and as sure."""
    rungs, ends = trained(n, 0.5, 0.2, 0.1, seed)
    one, other = line(rungs, ends), line(scale * rungs + shift, ends)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.end(scale * 0.4 + shift, 1) == pytest.approx(one.end(0.4, 1), rel=1e-6, abs=1e-6)
        assert other.end_variances == pytest.approx(one.end_variances, rel=1e-6)

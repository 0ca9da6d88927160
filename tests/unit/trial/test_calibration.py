"""How few passes a calibration needs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import exp
from typing import Any

import pytest

from deft_sweeps.trial import calibration
from deft_sweeps.trial.calibration import MOST_PASSES, percentile_for, threshold_for


class Model:
    """A stand-in for an Evaluator and a GateHistogram: density in closed form, passes counted."""

    def __init__(self, density_at: Callable[[float], float]) -> None:
        self._density_at, self._share, self.n_passes = density_at, 0.0, 0
        self.gates: Any = self

    def density(self, threshold: float) -> float:
        self.n_passes += 1
        return self._density_at(threshold or self._share)

    def thresholds(self, share: float) -> tuple[float, ...]:
        return (share,)

    @contextmanager
    def thresholded(self, _: Any, thresholds: tuple[float, ...]) -> Iterator[None]:
        self._share = thresholds[0]
        try:
            yield
        finally:
            self._share = 0.0


def falling(threshold: float) -> float:
    return 0.9 * exp(-2.0 * threshold)


POINTS = [(t, falling(t)) for t in (0.0, 0.01, 0.2, 0.5, 1.0)]


@pytest.mark.parametrize("wanted", [0.15, 0.3, 0.5, 0.7])
def test_measured_points_spare_most_passes(wanted: float) -> None:
    model: Any = Model(falling)
    threshold = threshold_for(model, wanted, POINTS)
    assert falling(threshold) == pytest.approx(wanted, rel=0.004)
    assert model.n_passes <= 4


def test_a_point_of_the_wanted_density_needs_no_pass() -> None:
    model: Any = Model(falling)
    assert threshold_for(model, falling(0.2) * 1.001, POINTS) == 0.2
    assert model.n_passes == 0


@pytest.mark.parametrize("measured", [(), POINTS])
def test_a_density_beyond_every_measured_point_is_reached(
    measured: list[tuple[float, float]],
) -> None:
    model: Any = Model(falling)
    assert falling(threshold_for(model, 0.001, measured)) == pytest.approx(0.001, rel=0.02)


def test_a_density_that_no_threshold_reaches_gives_the_nearest_end() -> None:
    model: Any = Model(lambda _: 0.4)
    assert threshold_for(model, 0.5) == 0.0
    assert threshold_for(model, 0.3) == calibration.HIGHEST_THRESHOLD


def test_a_density_that_jumps_ends_at_the_jump() -> None:
    model: Any = Model(lambda t: 0.5 if t < 0.371 else 0.1)
    assert threshold_for(model, 0.3) == pytest.approx(0.371, rel=0.01)
    assert model.n_passes <= MOST_PASSES + 2


@pytest.mark.parametrize("measured", [(), [(0.5, 0.3), (0.9, 0.06)]])
@pytest.mark.parametrize("wanted", [0.05, 0.1, 0.4])
def test_a_percentile_is_calibrated(
    wanted: float, measured: list[tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = Model(lambda zeroed: 0.6 * (1.0 - zeroed))
    monkeypatch.setattr(calibration, "thresholded_by_block", model.thresholded)
    percentile = percentile_for(model, model, wanted, measured)
    assert 0.6 * (1.0 - percentile) == pytest.approx(wanted, rel=0.004)
    assert model.n_passes <= 3


@pytest.mark.parametrize("measured", [(), POINTS])
def test_a_density_of_nothing_is_reached_or_the_end_is_given(
    measured: list[tuple[float, float]],
) -> None:
    dead: Any = Model(lambda threshold: 0.0 if threshold >= 3.0 else falling(threshold))
    assert 3.0 <= threshold_for(dead, 0.0, measured) <= 4.0
    never: Any = Model(lambda _: 0.5)
    assert threshold_for(never, 0.0) >= calibration.HIGHEST_THRESHOLD


def test_the_percentile_of_a_density_of_nothing_zeroes_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model: Any = Model(falling)
    monkeypatch.setattr(calibration, "thresholded_by_block", model.thresholded)
    assert percentile_for(model, model, 0.0) == 1.0

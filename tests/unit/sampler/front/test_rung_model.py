"""Linear rung models are recovered with their variances, and uninformative rungs give none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deft_sweeps.sampler.front.rung_model import fit_rung_model


def trained(
    n: int, slope: float, common: float, own: float, seed: int = 0, thresholds: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Rungs and ends of trainings on the line 0.2 t + slope x end, with such deviations."""
    rng = np.random.default_rng(seed)
    ends = (
        rng.normal(0.0, 1.0, (n, 1)) + rng.normal(0.0, 0.3, (n, thresholds)) - np.arange(thresholds)
    )
    rungs = (
        0.2 * np.arange(thresholds)
        + slope * ends
        + common * rng.normal(size=(n, 1))
        + own * rng.normal(size=(n, thresholds))
    )
    return rungs, ends


def test_slope_and_variances_are_recovered() -> None:
    model = fit_rung_model(*trained(400, 0.5, 0.2, 0.1))
    assert model is not None
    assert model.slope == pytest.approx(0.5, abs=0.03)
    assert model.training_variance == pytest.approx(0.04, rel=0.2)
    assert model.point_variance == pytest.approx(0.01, rel=0.2)
    rungs, ends = trained(400, 0.5, 0.2, 0.1, seed=1)
    errors = np.array(
        [
            model.predict_final(rungs[row, at], at) - ends[row, at]
            for row in range(400)
            for at in range(4)
        ]
    )
    assert abs(errors.mean()) < 0.1
    assert errors.var() == pytest.approx(sum(model.final_variances), rel=0.2)


def test_uninformative_rungs_leave_the_end_uncertain() -> None:
    rungs, ends = trained(30, 0.0, 1.0, 0.3)
    model = fit_rung_model(rungs, ends)
    assert model is None or sum(model.final_variances) > 10 * ends.var(axis=0).mean()


def test_a_negative_slope_gives_no_model() -> None:
    assert fit_rung_model(*trained(30, -0.5, 0.1, 0.1)) is None


def test_variances_shrink_with_the_number_of_trainings() -> None:
    variances = []
    for n in (2, 3, 6, 20, 200):
        models = [fit_rung_model(*trained(n, 0.5, 0.1, 0.05, seed)) for seed in range(40)]
        variances.append(np.median([sum(one.final_variances) for one in models if one is not None]))
    assert variances == sorted(variances, reverse=True)
    assert variances[0] > 5 * variances[-1]


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_trainings_give_no_model(n: int) -> None:
    assert fit_rung_model(*trained(n, 0.5, 0.1, 0.1)) is None


def test_equal_ends_give_no_model() -> None:
    assert fit_rung_model(trained(5, 0.5, 0.1, 0.1)[0], np.ones((5, 4))) is None


def test_an_unmeasured_threshold_is_nan_and_the_others_are_predicted() -> None:
    rungs, ends = trained(30, 0.5, 0.1, 0.1)
    complete = fit_rung_model(rungs, ends)
    rungs[:, 2] = np.nan
    rungs[4, 0] = np.nan
    model = fit_rung_model(rungs, ends)
    assert model is not None
    assert complete is not None
    assert np.isnan(model.predict_final(0.3, 2))
    assert model.predict_final(0.3, 1) == pytest.approx(complete.predict_final(0.3, 1), abs=0.2)


@given(st.integers(2, 12), st.integers(0, 10_000), st.floats(0.5, 4.0), st.floats(-3.0, 3.0))
def test_predictions_do_not_depend_on_the_unit_of_the_rung(
    n: int, seed: int, scale: float, shift: float
) -> None:
    rungs, ends = trained(n, 0.5, 0.2, 0.1, seed)
    one, other = fit_rung_model(rungs, ends), fit_rung_model(scale * rungs + shift, ends)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.predict_final(scale * 0.4 + shift, 1) == pytest.approx(
            one.predict_final(0.4, 1), rel=1e-6, abs=1e-6
        )
        assert other.final_variances == pytest.approx(one.final_variances, rel=1e-6)

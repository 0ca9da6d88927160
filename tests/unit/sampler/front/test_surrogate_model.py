"""The whole model on a few observed trainings."""

import numpy as np
import pytest

from deft_sweeps.sampler.front.surrogate_model import SurrogateModel, _last_refit
from tests.fakes import THRESHOLDS, fake_spec, plain, surface
from tests.unit.sampler.front.made_trainings import observed, training

RATES = np.geomspace(1e-4, 1e-2, 11)
"""Hyperparameters are fitted at the tenth training, not at the eleventh."""


def fitted(*, asked_after_each: bool = False) -> SurrogateModel:
    """A model of trainings of one combination, which may be asked after each of them."""
    spec = fake_spec()
    model = SurrogateModel(spec)
    for number, rate in enumerate(RATES):
        config = spec.config(plain(float(rate)))
        points = [
            observed(1.0, *surface(config, 0, threshold), threshold_index=i)
            for i, threshold in enumerate(THRESHOLDS)
        ]
        model.add(training(number, *points, configuration=plain(float(rate))))
        if asked_after_each:
            model.acquisition([plain(1e-3)], [], np.random.default_rng(number))
    return model


def test_without_a_finished_training_there_is_no_acquisition() -> None:
    model = SurrogateModel(fake_spec())
    model.add(training(0, observed(0.5, 0.6, 0.5)))
    assert (model.n_ended, model.n_finished) == (1, 0)
    with pytest.raises(ValueError, match="finished training"):
        model.acquisition([plain(1e-3)], [], np.random.default_rng(0))


def test_a_running_training_lowers_the_value_of_its_own_configuration() -> None:
    candidates = [plain(1.3e-3), plain(9e-3)]
    alone = fitted().acquisition(candidates, [], np.random.default_rng(0)).values
    running = [training(9, configuration=candidates[0])]
    with_running = fitted().acquisition(candidates, running, np.random.default_rng(0)).values
    assert alone[0] > 0
    assert with_running[0] < alone[0]


def test_the_model_does_not_depend_on_when_it_is_asked() -> None:
    candidates = [plain(float(rate)) for rate in np.geomspace(1e-4, 1e-2, 20)]
    values = [
        model.acquisition(candidates, [], np.random.default_rng(0)).values
        for model in (fitted(asked_after_each=True), fitted())
    ]
    np.testing.assert_array_equal(values[0], values[1])


def test_refits_are_spaced_ever_further_apart() -> None:
    refits = [n for n in range(1, 60) if _last_refit(n) == n]
    assert refits[:6] == [1, 2, 3, 4, 5, 6]
    gaps = np.diff(refits)
    assert (np.diff(gaps) >= -1).all()
    assert gaps[-1] > gaps[0]

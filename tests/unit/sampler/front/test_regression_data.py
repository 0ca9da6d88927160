"""Inputs and targets, also of trainings that have not reached their end."""

import math

import numpy as np
import pytest

from deft_sweeps.sampler.front.encoding import SpaceEncoding
from deft_sweeps.sampler.front.regression_data import RegressionData
from deft_sweeps.sampler.front.search_goal import GoalTracker
from deft_sweeps.sampler.front.training_memory import TrainingMemory
from tests.fakes import fake_spec, plain
from tests.unit.sampler.front.made_trainings import N_THRESHOLDS, observed, training

SHARE = 1 / 3
"""Of the steps at the last rung before the end, by the default `eta` of 3."""


def made() -> tuple[RegressionData, TrainingMemory]:
    spec = fake_spec()
    memory = TrainingMemory(GoalTracker(spec), N_THRESHOLDS)
    return RegressionData(spec, SpaceEncoding.of(spec), memory), memory


def test_measured_ends_are_exact_targets_on_the_models_scale() -> None:
    data, _ = made()
    ended = training(4, observed(1.0, 0.8, 0.5), observed(1.0, math.nan, 0.2, threshold_index=1))
    rows = [(ended, point) for point in ended.final]
    inputs, scores = data.of_metric(0, rows)
    assert scores.tolist() == [0.8]
    assert inputs.is_exact.all()
    inputs, densities = data.of_metric(1, rows)
    np.testing.assert_allclose(densities, np.log([0.5, 0.2]))
    np.testing.assert_allclose(inputs.thresholds, [0.0, 1 / (N_THRESHOLDS - 1)])
    assert inputs.trainings.tolist() == [4, 4]


def test_a_rung_is_extrapolated_with_a_variance_once_trainings_show_how() -> None:
    data, memory = made()
    unfinished = training(50, observed(SHARE, 0.45, 0.5))
    rows = [(unfinished, point) for point in unfinished.latest]
    assert len(data.of_metric(0, rows)[1]) == 0
    rng = np.random.default_rng(0)
    for number in range(40):
        end = 0.6 + 0.3 * rng.random()
        rung = 0.1 + end / 2 + 0.001 * rng.normal()
        ended = training(number, observed(SHARE, rung, 0.5), observed(1.0, end, 0.5))
        memory.add(ended)
        rows.append((ended, ended.final[0]))
    data.forget_rung_models()
    inputs, scores = data.of_metric(0, rows)
    assert scores[0] == pytest.approx(0.7, abs=0.02)
    assert inputs.training_variance[0] > 0
    assert inputs.is_exact[1:].all()


def test_new_trainings_have_every_threshold_and_a_number_of_their_own() -> None:
    data, _ = made()
    inputs = data.final_inputs([plain(1e-3), plain(2e-3)])
    assert len(inputs) == 2 * N_THRESHOLDS
    np.testing.assert_allclose(inputs.thresholds[:N_THRESHOLDS], np.linspace(0, 1, N_THRESHOLDS))
    assert len(set(inputs.trainings.tolist())) == 2
    assert (inputs.trainings < 0).all()
    assert inputs.is_exact.all()

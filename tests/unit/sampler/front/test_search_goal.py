"""Limits' bounds as numbers, and what is feasible and non-dominated."""

from dataclasses import replace

import numpy as np
import pytest

from deft_sweeps.objective import parse_constraint
from deft_sweeps.sampler.front.search_goal import Goal, GoalTracker
from deft_sweeps.specification.sweep_spec import SweepSpec
from tests.fakes import fake_spec, plain
from tests.unit.sampler.front.made_trainings import observed, training

NAMES = ("score", "activation_density")


def limited(*texts: str) -> SweepSpec:
    return replace(fake_spec(), limits=tuple(parse_constraint(text) for text in texts))


def test_a_limit_without_a_measured_baseline_is_left_out() -> None:
    tracker = GoalTracker(limited("score >= baseline(peft) - 0.1", "activation_density <= 0.4"))
    assert [bound for _, bound in tracker.goal().bounds] == [0.4]
    tracker.add(training(0, observed(1.0, 0.8, 0.9)))
    assert [bound for _, bound in tracker.goal().bounds] == pytest.approx([0.7, 0.4])


def test_the_baseline_is_the_best_mean_over_seeds_of_this_sweep() -> None:
    tracker = GoalTracker(limited("score >= baseline(peft) - 0.1"))
    lucky, steady = plain(1e-3), plain(2e-3)
    for number, (start, score) in enumerate([(lucky, 0.9), (lucky, 0.5), (steady, 0.8)]):
        tracker.add(training(number, observed(1.0, score, 0.9), configuration=start))
    tracker.add(training(3, observed(1.0, 0.99, 0.9), is_own=False))
    tracker.add(training(4, observed(0.5, 0.99, 0.9)))
    tracker.add(training(5, observed(1.0, 0.99, 0.9, threshold_index=1)))
    assert [bound for _, bound in tracker.goal().bounds] == pytest.approx([0.7])


def test_surely_moves_a_bound_by_the_median_margin() -> None:
    limits = ("surely score >= 0.7", "activation_density <= 0.4")
    tracker = GoalTracker(limited(*limits))
    for number, margin in enumerate((0.03, 0.01, 0.02)):
        tracker.add(training(number, margins={limits[0]: margin, limits[1]: margin}))
    assert [bound for _, bound in tracker.goal().bounds] == pytest.approx([0.72, 0.38])


def test_feasible_points_are_within_every_limit() -> None:
    limits = (parse_constraint("score >= 0.5"), parse_constraint("activation_density <= 0.4"))
    goal = Goal(NAMES, 2, ((limits[0], 0.5), (limits[1], 0.4)))
    values = np.array([[[0.5, 0.4], [0.49, 0.4]], [[0.5, 0.41], [0.9, 0.1]]])
    assert goal.is_feasible(values).tolist() == [[True, False], [False, True]]


def test_non_dominated_points_follow_each_objectives_direction() -> None:
    values = np.array([[0.9, 0.5], [0.8, 0.6], [0.7, 0.1]])
    assert Goal(NAMES, 2, ()).is_non_dominated(values).tolist() == [True, False, True]

"""Which trainings are remembered, and which of their observations are learned from."""

import pytest

from deft_sweeps.sampler.front import training_memory
from deft_sweeps.sampler.front.search_goal import GoalTracker
from deft_sweeps.sampler.front.training_memory import TrainingMemory
from tests.fakes import fake_spec
from tests.unit.sampler.front.made_trainings import observed, training


def made(n_thresholds: int = 1) -> TrainingMemory:
    return TrainingMemory(GoalTracker(fake_spec()), n_thresholds)


def test_front_and_latest_trainings_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_memory, "MAX_REMEMBERED", 6)
    monkeypatch.setattr(training_memory, "N_REMEMBERED", 4)
    memory = made()
    memory.add(training(0, observed(1.0, 0.9, 0.1)))
    for number in range(1, 7):
        memory.add(training(number, observed(1.0, 0.5, 0.5)))
    assert [t.number for t in memory.trainings] == [0, 4, 5, 6]
    assert memory.front_configurations() == [training(0).configuration]


def test_ends_come_before_unfinished_trainings_and_only_their_latest_step_counts() -> None:
    memory = made()
    unfinished = training(0, observed(0.25, 0.5, 0.5), observed(0.5, 0.6, 0.5))
    finished = training(1, observed(0.5, 0.6, 0.5), observed(1.0, 0.7, 0.5))
    later = training(2, observed(1.0, 0.6, 0.6))
    for one in (unfinished, finished, later):
        memory.add(one)
    rows = memory.select_rows(memory.trainings, 10)
    assert [(t.number, point.step_share) for t, point in rows] == [(2, 1.0), (1, 1.0), (0, 0.5)]


def test_beyond_the_limit_half_of_the_rows_are_of_the_front() -> None:
    memory = made()
    for number in range(3):
        memory.add(training(number, observed(1.0, 0.9 - number / 100, 0.1 - number / 100)))
    for number in range(3, 20):
        memory.add(training(number, observed(1.0, 0.5, 0.5)))
    rows = memory.select_rows(memory.trainings, 4)
    assert [t.number for t, _ in rows] == [2, 1, 19, 18]

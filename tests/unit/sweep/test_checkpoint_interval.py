"""Checkpoints cost a stated share of training, however large they are and however many write."""

import pytest

from deft_sweeps.sweep.checkpoint_interval import (
    FOLDER_SHARE,
    LEAST_SEC,
    MOST_SEC,
    TRAINING_SHARE,
    CheckpointClock,
    CheckpointCost,
    automatic_interval,
)


@pytest.mark.parametrize("write_sec", [0.01, 0.1, 0.5, 2.0, 20.0])
@pytest.mark.parametrize("packing_sec", [0.0, 0.3])
@pytest.mark.parametrize("n_trials", [1, 8, 100, 1000])
def test_the_interval_is_the_least_that_keeps_both_shares(
    write_sec: float, packing_sec: float, n_trials: int
) -> None:
    pause_sec = packing_sec + write_sec
    interval = automatic_interval(CheckpointCost(pause_sec, write_sec), n_trials)
    assert LEAST_SEC <= interval <= MOST_SEC

    def shares(every_sec: float) -> tuple[float, float]:
        """Of the training that stands still, and of the folder's time, in one period."""
        period = every_sec + pause_sec
        return pause_sec / period, n_trials * write_sec / period

    def within(every_sec: float) -> bool:
        training, folder = shares(every_sec)
        return training <= TRAINING_SHARE * (1 + 1e-9) and folder <= FOLDER_SHARE * (1 + 1e-9)

    assert within(interval) or interval == MOST_SEC
    assert interval == LEAST_SEC or not within(0.99 * interval)


def test_before_the_first_checkpoint_the_interval_is_the_least() -> None:
    assert automatic_interval(None, 1000) == LEAST_SEC


def test_a_clock_follows_what_its_last_checkpoint_took() -> None:
    clock = CheckpointClock(None)
    clock.begin(100.0, n_trials=4)
    assert not clock.is_due(100.0 + 0.9 * LEAST_SEC)
    assert clock.is_due(100.0 + LEAST_SEC)
    cost = CheckpointCost(pause_sec=2.0, write_sec=0.5)
    clock.saved(117.0, cost)
    assert clock.interval_sec == automatic_interval(cost, 4) == pytest.approx(98.0)
    assert not clock.is_due(117.0 + 97.0)
    assert clock.is_due(117.0 + 98.5)
    clock.saved(300.0, None)
    assert clock.interval_sec == pytest.approx(98.0), "one that failed says nothing of the cost"
    assert not clock.is_due(301.0)


def test_the_next_trial_of_a_worker_starts_from_what_the_last_one_measured() -> None:
    clock = CheckpointClock(None)
    clock.begin(0.0, n_trials=1)
    clock.saved(20.0, CheckpointCost(pause_sec=1.0, write_sec=1.0))
    clock.begin(1000.0, n_trials=500)
    assert clock.interval_sec == pytest.approx(999.0)
    assert not clock.is_due(1000.0 + 998.0)


@pytest.mark.parametrize("every_sec", [0.0, 90.0])
def test_a_given_interval_is_taken_as_it_is(every_sec: float) -> None:
    clock = CheckpointClock(every_sec)
    clock.begin(0.0, n_trials=1000)
    clock.saved(5.0, CheckpointCost(pause_sec=60.0, write_sec=60.0))
    assert clock.interval_sec == every_sec
    assert clock.is_due(5.0 + every_sec)
    assert every_sec == 0 or not clock.is_due(4.0 + every_sec)

import time
from types import SimpleNamespace
from typing import Any

import pytest

from deft_sweeps.sweep.stall_watch import StallWatch

A, B = SimpleNamespace(trial_id="a"), SimpleNamespace(trial_id="b")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, as the watch reads them."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def pass_time(watch: StallWatch, clock: list[float], seconds: float) -> list[str]:
    """Looks once a second; returns the trials whose worker was ended."""
    ended: list[str] = []
    for _ in range(int(seconds)):
        clock[0] += 1.0
        ended += watch.end_stalled()
    return ended


def test_a_silent_worker_is_ended_once_and_one_that_reports_is_not(clock: list[float]) -> None:
    killed: list[Any] = []
    watch = StallWatch(1.0, killed.append)
    watch.heard(A)
    watch.heard(B)
    assert pass_time(watch, clock, 50) == []
    watch.heard(B)
    assert pass_time(watch, clock, 55) == ["a"]
    assert killed == [A]
    assert watch.reason("a", "Ray's word") == "it reported no progress for 1 min"
    assert watch.reason("b", "Ray's word") == "Ray's word"
    watch.heard(A)  # On another worker.
    assert watch.reason("a", "Ray's word") == "Ray's word"
    watch.forget(A)
    watch.forget(B)
    assert pass_time(watch, clock, 200) == []


def test_a_driver_that_did_not_listen_blames_no_worker(clock: list[float]) -> None:
    watch = StallWatch(1.0, lambda _: None)
    watch.heard(A)
    clock[0] += 3600.0
    assert list(watch.end_stalled()) == []
    assert pass_time(watch, clock, 40) == []
    assert pass_time(watch, clock, 20) == ["a"]


def test_without_a_limit_nothing_is_ended(clock: list[float]) -> None:
    watch = StallWatch(None, lambda _: pytest.fail("ended"))
    watch.heard(A)
    assert pass_time(watch, clock, 10_000) == []

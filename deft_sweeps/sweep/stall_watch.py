"""Ends workers that report no progress, so that Tune takes their trials up again."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import ray

_MOST_PAUSE_SEC = 10.0
"""Time that counts between two looks: a driver that was busy or stopped for longer finds the
reports of that time only now."""


class StallWatch:
    """Follows the reports of running trials.

    The driver ends a silent worker from outside: one that is stopped, or hangs in a library, cannot
    end itself. Its trial goes on in another process from its checkpoint, as after a crash.

    Args:
        limit_min: minutes without a report, after which a worker is ended; None is no limit.
        end: ends the worker of a Tune trial.
    """

    def __init__(self, limit_min: float | None, end: Callable[[Any], None] | None = None) -> None:
        self._limit_min, self._end = limit_min, end or _kill_worker
        self._heard: dict[str, tuple[Any, float]] = {}
        self._ended: set[str] = set()
        self._listened_sec, self._listened_at = 0.0, time.monotonic()

    def heard(self, trial: Any) -> None:
        """A trial has started on a worker, or has reported."""
        self._heard[trial.trial_id] = (trial, self._listened_sec)
        self._ended.discard(trial.trial_id)

    def forget(self, trial: Any) -> None:
        """A trial has ended, or has lost its worker."""
        self._heard.pop(trial.trial_id, None)

    def end_stalled(self) -> Iterable[str]:
        """Ends workers that have been silent for too long; returns Tune's ids of their trials."""
        if self._limit_min is None:
            return ()
        now = time.monotonic()
        self._listened_sec += min(now - self._listened_at, _MOST_PAUSE_SEC)
        self._listened_at = now
        before = self._listened_sec - 60.0 * self._limit_min
        stalled = [trial for trial, heard_at in self._heard.values() if heard_at < before]
        for trial in stalled:
            self.forget(trial)
            self._ended.add(trial.trial_id)
            self._end(trial)
        return [trial.trial_id for trial in stalled]

    def reason(self, tune_id: str, why: str) -> str:
        """Why a trial lost its worker: `why` is Ray's word, which knows of no stall."""
        if tune_id not in self._ended:
            return why
        return f"it reported no progress for {self._limit_min:g} min"


def _kill_worker(trial: Any) -> None:
    actor = trial.temporary_state.ray_actor
    if actor is not None:
        ray.kill(actor)

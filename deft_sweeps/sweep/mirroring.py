"""A process that mirrors a sweep's results: `python -m deft_sweeps.sweep.mirroring`.

It keeps MLflow and the Optuna study that people look at level with the sweep's folder, and takes
none of the driver's processor time. The driver starts it and writes to its stdin, a JSON a line:
first `{"root", "spec", "retry_sec"}`, then `{"new": trial_id}` for each result, at last
`{"close": interrupted}`. It writes to stdout `{"trouble": sentence}`, `{"left": results still to
mirror}`, and at its end `{"level": whether every mirror has them all}`. If stdin ends without a
close, the driver is dead, and the process ends.
"""

import base64
import json
import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TextIO

from deft_sweeps.errors import StoreError
from deft_sweeps.result import TrialResult
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.sweep_dir import SweepDir

NICENESS = int(os.environ.get("RAY_worker_niceness", "15")) + 4  # noqa: SIM112 (Ray's own name)
"""Beyond that of Ray's workers: trials go before their mirrors, and the driver before both."""

Messages = queue.Queue[dict[str, Any]]


class ResultMirror(Protocol):
    """Something that follows the results of a sweep."""

    def catch_up(self, on_each: Callable[[int], None] = ...) -> int:
        """Mirrors every result that is stored and not mirrored."""

    def add(self, result: TrialResult) -> bool:
        """Mirrors one result."""

    def close(self, *, interrupted: bool = False) -> None:
        """Says that no driver runs any more."""


class MirrorKeeper:
    """Keeps one mirror level with the store; after a failure, it tries again after a while.

    Args:
        mirror: to keep level.
        out: for sentences about failures.
        retry_sec: time between two tries.
    """

    def __init__(self, mirror: ResultMirror, out: TextIO, retry_sec: float) -> None:
        self._mirror, self._out, self._retry_sec = mirror, out, retry_sec
        self._retry_at: float | None = None

    @property
    def wait_sec(self) -> float | None:
        """Time until the next try; None while the mirror is level."""
        if self._retry_at is None:
            return None
        return max(0.0, self._retry_at - time.monotonic())

    def catch_up(self) -> bool:
        """Mirrors all that is missing; returns whether that went well."""
        return self._try(lambda: self._mirror.catch_up(lambda n_left: say(self._out, left=n_left)))

    def add(self, read: Callable[[], TrialResult]) -> None:
        """Mirrors a new result, or all that is missing once it is time to try again."""
        if self.wait_sec is None:
            self._try(lambda: self._mirror.add(read()))
        elif self.wait_sec == 0.0:  # By the clock: a busy sweep is never quiet for long enough.
            self.catch_up()

    def close(self, *, interrupted: bool) -> bool:
        """Catches up a last time; returns whether the mirror is level."""
        is_level = self.catch_up()
        return self._try(lambda: self._mirror.close(interrupted=interrupted)) and is_level

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except StoreError as error:
            later = "the sweep goes on, and the mirror catches up later"
            say(self._out, trouble=f"{error}; {later}")
            self._retry_at = time.monotonic() + self._retry_sec
            return False
        self._retry_at = None
        return True


def follow(messages: Messages, out: TextIO) -> None:
    """Mirrors the results it is told of until a close."""
    start = messages.get()
    sweep = SweepDir(Path(start["root"]))
    followers = mirrors(sweep, unpack(start), lambda sentence: say(out, trouble=sentence))
    keepers = [MirrorKeeper(mirror, out, start["retry_sec"]) for mirror in followers]
    for keeper in keepers:
        keeper.catch_up()
    while True:
        waits = [keeper.wait_sec for keeper in keepers if keeper.wait_sec is not None]
        try:
            message = messages.get(timeout=min(waits, default=None))
        except queue.Empty:
            for keeper in keepers:
                if keeper.wait_sec == 0.0:
                    keeper.catch_up()
            continue
        if "close" in message:
            break
        for keeper in keepers:
            keeper.add(partial(sweep.result, message["new"]))
        say(out, left=messages.qsize())
    levels = [keeper.close(interrupted=message["close"]) for keeper in keepers]
    say(out, level=all(levels))


def mirrors(
    sweep: SweepDir, spec: SweepSpec, on_trouble: Callable[[str], None]
) -> tuple[ResultMirror, ...]:
    """Everything that follows a sweep's results."""
    # Loads Optuna, which takes seconds: the driver's messages must be taken up before.
    from deft_sweeps.study.study_mirror import StudyMirror

    tracker = Mirror(sweep, spec.name, spec.tracking_uri, on_trouble)
    return tracker, StudyMirror(sweep, spec)


def pack(spec: SweepSpec) -> str:
    """A spec as text for the process' first message."""
    return base64.b64encode(pickle.dumps(spec)).decode()


def unpack(start: dict[str, Any]) -> SweepSpec:
    """The spec in the first message, which the driver alone can write."""
    spec: SweepSpec = pickle.loads(base64.b64decode(start["spec"]))  # noqa: S301 (its driver's)
    return spec


def say(out: TextIO, **message: Any) -> None:
    """Writes a message to the driver."""
    out.write(json.dumps(message) + "\n")
    out.flush()


def _listen(messages: Messages) -> None:
    """Takes up lines as they come: a driver must never wait for a slow mirror.

    If the driver dies, the process ends at once, whatever it is writing: the next driver has a
    process of its own, and two of them would mirror a result twice.
    """
    message: dict[str, Any] = {}
    for line in sys.stdin:
        message = json.loads(line)
        messages.put(message)
    if "close" not in message:
        os._exit(0)


def main() -> None:
    """Runs the process."""
    os.nice(NICENESS)
    messages: Messages = queue.Queue()
    threading.Thread(target=_listen, args=(messages,), daemon=True).start()
    out, sys.stdout = sys.stdout, sys.stderr  # Whatever a library prints is no message.
    follow(messages, out)


if __name__ == "__main__":
    main()

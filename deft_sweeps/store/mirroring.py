"""A process that keeps the tracker level with a sweep's folder: `python -m
deft_sweeps.store.mirroring`, started by the driver.

MLflow takes more of a processor than all else that a driver does; here it takes none of the
driver's. Told on stdin, a JSON a line: first `{"root", "name", "uri", "retry_sec"}`, then `{"new":
trial_id}` for each result, at last `{"close": interrupted}`. It tells on stdout `{"trouble":
sentence}`, `{"left": results still to mirror}`, and at its end `{"level": whether the tracker has
them all}`. Where stdin ends without a close, the driver is dead, and so is this.
"""

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from deft_sweeps.errors import StoreError
from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.results import SweepDir

NICENESS = int(os.environ.get("RAY_worker_niceness", "15")) + 4  # noqa: SIM112 (Ray's own name)
"""Beyond that of Ray's workers: trials go before their mirror, and the driver, which all trials
wait for, before both."""


def follow(told: "queue.Queue[dict[str, Any] | None]", out: TextIO) -> None:
    """Mirror what is told until a close, or until None: nobody listens any more."""
    start = told.get()
    if start is None:
        return
    sweep = SweepDir(Path(start["root"]))
    mirror = Mirror(sweep, start["name"], start["uri"])

    def left(n_left: int) -> None:
        say(out, left=n_left)

    behind = not _try(lambda: mirror.catch_up(left), out)
    retry_at = time.monotonic() + start["retry_sec"]
    while True:
        try:
            message = told.get(timeout=max(0.0, retry_at - time.monotonic()) if behind else None)
        except queue.Empty:
            message = {}
        if message is None:
            return
        if "close" in message:
            break
        if "new" in message and not behind:
            behind = not _try(
                lambda trial_id=message["new"]: mirror.add(sweep.result(trial_id)), out
            )
            left(told.qsize())
            retry_at = time.monotonic() + start["retry_sec"]
        elif (
            behind and time.monotonic() >= retry_at
        ):  # By the clock: in a busy sweep it is never quiet for long enough.
            behind = not _try(lambda: mirror.catch_up(left), out)
            retry_at = time.monotonic() + start["retry_sec"]
    level = _try(lambda: mirror.catch_up(left), out)
    say(out, level=_try(lambda: mirror.close(interrupted=message["close"]), out) and level)


def say(out: TextIO, **told: Any) -> None:
    out.write(json.dumps(told) + "\n")
    out.flush()


def _try(mirrored: Any, out: TextIO) -> bool:
    try:
        mirrored()
    except StoreError as error:
        say(out, trouble=f"{error}; the sweep goes on, and the tracker catches up later")
        return False
    return True


def _listen(told: "queue.Queue[dict[str, Any] | None]") -> None:
    """Take up lines as they come: a driver must never wait for a tracker that is slow."""
    for line in sys.stdin:
        told.put(json.loads(line))
    told.put(None)


def main() -> None:
    os.nice(NICENESS)
    told: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_listen, args=(told,), daemon=True).start()
    out, sys.stdout = sys.stdout, sys.stderr  # Whatever a library prints is no message.
    follow(told, out)


if __name__ == "__main__":
    main()

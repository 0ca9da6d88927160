"""Keeps the tracker level with the store from a thread of its own, so that a slow or silent server never holds up the sweep."""

import threading
from collections.abc import Callable

from deft_sweeps.errors import StoreError
from deft_sweeps.store.mlflow import Mirror

RETRY_SEC = 30.0
PATIENCE_SEC = 60.0


class Follower:
    """Mirrors after each nudge, and again after a while where that failed.

    Args:
        mirror: of the sweep; used by the thread alone.
        on_trouble: called from the thread with a sentence.
    """

    def __init__(self, mirror: Mirror, on_trouble: Callable[[str], None]) -> None:
        self._mirror, self._on_trouble = mirror, on_trouble
        self._news = threading.Event()
        self._news.set()
        self._closing = False
        self._interrupted = False
        self._behind = False
        self._thread = threading.Thread(target=self._follow, name="mlflow", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """There is a new result."""
        self._news.set()

    def close(self, *, interrupted: bool = False, patience_sec: float = PATIENCE_SEC) -> bool:
        """Catch up a last time; returns whether the tracker is level with the store."""
        self._closing, self._interrupted = True, interrupted
        self._news.set()
        self._thread.join(patience_sec)
        return not self._thread.is_alive() and not self._behind

    def _follow(self) -> None:
        while True:
            self._news.wait(RETRY_SEC if self._behind else None)
            self._news.clear()
            closing = self._closing
            try:
                self._mirror.catch_up()
                self._behind = False
                if closing:
                    self._mirror.close(interrupted=self._interrupted)
            except StoreError as error:
                self._behind = True
                self._on_trouble(f"{error}; the sweep goes on, and the tracker catches up later")
            if closing:
                return

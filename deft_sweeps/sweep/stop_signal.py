"""Ctrl-C and SIGTERM, which stop a driver."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from deft_sweeps.sweep.driver import Driver

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def stoppable(driver: Driver, *, waits: bool = False) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the driver: at once, or with `waits` between two of Tune's events; a
    second one always at once.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        second, driver.stopping = driver.stopping, True
        driver.state = "stopping"
        if second or not waits:
            raise KeyboardInterrupt

    with _handled(stop, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does, also while no trials run: Ray would end the process with
    an exit code of its own.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, signal.SIGTERM):
        yield


@contextmanager
def _handled(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    """Signals have this handler inside the context; only the main thread can set one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)

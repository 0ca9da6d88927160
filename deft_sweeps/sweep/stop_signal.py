"""Ctrl-C and SIGTERM, which stop a driver."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deft_sweeps.sweep.driver import Driver


@contextmanager
def stoppable(driver: Driver, *, waits: bool = False) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the driver: at once, or with `waits` between two of Tune's events; a
    second one always at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        second, driver.stopping = driver.stopping, True
        driver.state = "stopping"
        if second or not waits:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does, also while no trials run: Ray would end the process with
    an exit code of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

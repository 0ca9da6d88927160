"""SIGTERM outside a search."""

import os
import signal
import threading

import pytest

from deft_sweeps.sweep.stop_signal import terminable


def test_sigterm_interrupts_and_the_handler_before_is_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_leaves_the_handler_alone() -> None:
    """Only the main thread may set one."""
    entered = []

    def enter() -> None:
        with terminable():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.getsignal(signal.SIGTERM)]

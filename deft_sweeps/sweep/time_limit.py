"""A limit of time for what waits on others."""

import threading
from collections.abc import Callable

from deft_sweeps.errors import StoreError


def run_within(limit_sec: float, whose: str, action: Callable[[], None]) -> None:
    """Runs `action`, but waits for it no longer than `limit_sec` in all.

    A transport's own timeout is of no use here: it begins anew with each byte of an answer. What
    takes longer is left to a thread that ends with the process.

    Args:
        limit_sec: in all.
        whose: answer is waited for.
        action: to run.

    Raises:
        StoreError: it takes longer; or whatever `action` raises.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="within", daemon=True)
    thread.start()
    thread.join(limit_sec)
    if thread.is_alive():
        raise StoreError(f"{whose} gave no complete answer within {limit_sec:g} s")
    if raised:
        raise raised[0]

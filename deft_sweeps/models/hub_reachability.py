"""Whether the model hub can be asked: its client would try again for a minute or more before it
says that it cannot. Loads no torch.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

_TIMEOUT_SEC = 1.8


@cache
def hub_silence() -> str:
    """Why the hub is not asked; empty if it answers. Asked once a process.

    What the cache on this machine has can be read all the same.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set, so the hub is not asked"
    answer: SimpleQueue[str] = SimpleQueue()
    # Looking up a name knows no time limit, and a server may send a byte now and then.
    Thread(target=lambda: answer.put(_silence(constants.ENDPOINT)), daemon=True).start()
    try:
        return answer.get(timeout=_TIMEOUT_SEC + 0.1)
    except Empty:
        return f"{constants.ENDPOINT} does not answer"


@contextmanager
def hub_unasked_if_silent() -> Iterator[None]:
    """Have the hub's client read its cache alone meanwhile, where the hub does not answer."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or bool(hub_silence())
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _silence(endpoint: str) -> str:
    """Why an address is not to be asked; any answer at all will do."""
    try:
        with urlopen(Request(endpoint, method="HEAD"), timeout=_TIMEOUT_SEC):  # noqa: S310 (the user's own setting)
            return ""
    except HTTPError:
        return ""
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        # The hub's client has certificates of its own.
        if isinstance(reason, ssl.SSLError):
            return ""
        return f"{endpoint} does not answer: {getattr(reason, 'strerror', None) or reason}"

"""A Ray cluster that the driver attaches to: the token it demands, and how many trials fit."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import ray
from ray._raylet import Config  # type: ignore[attr-defined]  # compiled
from ray.exceptions import RayError

from deft_sweeps.sweep.probe import check
from deft_sweeps.units import size

POLL_SEC = 2.0

_RAY_NAMES = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}


class SlotCount:
    """Counts the trials that a cluster's nodes can run at a time, as nodes come and go.

    Args:
        needs: of one trial: `cpu`, `gpu` and `memory` in bytes; 0 is no need.
    """

    def __init__(self, needs: Mapping[str, float]) -> None:
        self._needs = {_RAY_NAMES[name]: need for name, need in needs.items() if need > 0}
        self._n_slots = 0
        self._counted_at = float("-inf")

    def __call__(self) -> int:
        """The number of slots, at most POLL_SEC old."""
        now = time.monotonic()
        if now - self._counted_at >= POLL_SEC:
            self._counted_at = now
            with suppress(RayError):  # The head is restarting: the last count stands.
                nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
                self._n_slots = sum(slots_on(node, self._needs) for node in nodes)
        return self._n_slots

    @property
    def needs(self) -> str:
        """What one trial needs, for a message."""
        return ", ".join(
            f"{size(need)} of memory" if name == "memory" else f"{need:g} {name}"
            for name, need in self._needs.items()
        )


def slots_on(node: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """Trials that fit on one node at a time.

    Args:
        node: its resources, by Ray's names.
        needs: of one trial, by Ray's names, each > 0.
    """
    fits = []
    for name, need in needs.items():
        available = node.get(name, 0.0)
        if name == "GPU" and need < 1:  # Ray never gives a trial parts of two GPUs.
            fits.append(int(available) * int(1 / need + 1e-9))
        else:
            fits.append(int(available / need + 1e-9))
    return min(fits)


@contextmanager
def authenticated(address: str | None) -> Iterator[str | None]:
    """Pass a cluster the token that it demands, for as long as the context lasts.

    Ray itself sends one only if RAY_AUTH_MODE says so.

    Args:
        address: of the cluster, or `auto` for the one on this machine; None is a local Ray, for
            which nothing is done.

    Yields:
        The address to attach to.

    Raises:
        ConfigError: nothing answers at the address, or the cluster refuses this process.
    """
    if address is None or "://" in address:
        yield address
        return
    resolved, demands_token = check(address)
    if not demands_token or "RAY_AUTH_MODE" in os.environ:
        yield resolved
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    Config.initialize("")  # Ray reads the environment only once.
    try:
        yield resolved
    finally:
        del os.environ["RAY_AUTH_MODE"]
        Config.initialize("")

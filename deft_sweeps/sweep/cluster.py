"""A Ray cluster that the driver attaches to: the token it demands, and how many trials fit."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from ray._raylet import Config  # type: ignore[attr-defined]  # compiled
from ray.exceptions import RayError

from deft_sweeps.sweep.cluster_node import ClusterNode, live_nodes
from deft_sweeps.sweep.probe import check

POLL_SEC = 2.0


class SlotCount:
    """Counts the trials that a cluster's nodes can run at a time, as nodes come and go.

    Args:
        needs: of one trial, by Ray's names, each > 0.
        nodes: lists the nodes that may run trials.

    Attributes:
        nodes: those of the last count.
    """

    def __init__(
        self, needs: Mapping[str, float], nodes: Callable[[], Iterable[ClusterNode]] = live_nodes
    ) -> None:
        self.needs = needs
        self._list = nodes
        self.nodes: tuple[ClusterNode, ...] = ()
        self._counted_at = float("-inf")

    def __call__(self) -> int:
        """The number of slots, at most POLL_SEC old."""
        now = time.monotonic()
        if now - self._counted_at >= POLL_SEC:
            self._counted_at = now
            with suppress(RayError):  # The head is restarting: the last count stands.
                self.nodes = tuple(self._list())
        return sum(node.slots(self.needs) for node in self.nodes)


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

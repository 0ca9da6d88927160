"""A Ray cluster that the driver attaches to: whether it can be used, and how many trials fit."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Timer

import ray
from ray._private import services
from ray._raylet import Config
from ray.exceptions import RayError

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.sweep.probe import Answer

CONNECT_SEC = 5.0
ANSWER_SEC = 10.0
"""Time for a cluster to answer the probe; with CONNECT_SEC and Python's start under 20 s."""
POLL_SEC = 2.0

_HOW_TO_PASS_A_TOKEN = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN as on the cluster's nodes"
)
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
            f"{need / 2**30:.1f} GiB of memory" if name == "memory" else f"{need:g} {name}"
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
    """Check that a cluster answers, and pass it the token that it demands.

    Ray itself sends a token only if RAY_AUTH_MODE says so, and waits 20 s or more before it reports
    a refusal or an address without a cluster.

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
    resolved = _resolved(address)
    _connect(resolved)
    answer = _probe(resolved)
    if answer not in ("open", "token"):
        raise ConfigError([_problem(resolved, answer)])
    if answer == "open" or "RAY_AUTH_MODE" in os.environ:
        yield resolved
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    Config.initialize("")  # Ray reads the environment only once.
    try:
        yield resolved
    finally:
        del os.environ["RAY_AUTH_MODE"]
        Config.initialize("")


def _resolved(address: str) -> str:
    """`HOST:PORT` of an address, which may be `auto`."""
    if address != "auto":
        return address
    try:
        resolved = services.canonicalize_bootstrap_address(address)
    except ConnectionError:
        resolved = None
    if resolved is None:
        what = "no Ray runs on this machine"
        raise ConfigError([Problem(_where(address), what, "start one, or give HOST:PORT")])
    return str(resolved)


def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        what = "is no address; expected HOST:PORT or auto"
        raise ConfigError([Problem(_where(address), what, "Ray's default port is 6379")])
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SEC).close()
    except OSError as error:
        what = f"nothing answers there: {error.strerror or error}"
        mend = "start Ray on the head first: ray start --head --port 6379"
        raise ConfigError([Problem(_where(address), what, mend)]) from error


def _probe(address: str) -> Answer:
    """The answer of the cluster to a process of its own, since Ray's client cannot be stopped."""
    command = [sys.executable, "-m", "deft_sweeps.sweep.probe", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        lines = iter(child.stdout or ())
        next(lines, "")  # Imports are done; on a busy machine they take as long as they take.
        timer = Timer(ANSWER_SEC, child.kill)
        timer.start()
        answer = next(lines, "").strip()
        timer.cancel()
    for known in ("open", "token", "no token", "wrong token", "disabled"):
        if answer == known:
            return known
    return "silent"


def _problem(address: str, answer: Answer) -> Problem:
    match answer:
        case "no token":
            what, mend = "the cluster demands a token, and there is none here", _HOW_TO_PASS_A_TOKEN
        case "wrong token":
            what = f"the cluster refuses the token from {_token_source()}"
            mend = _HOW_TO_PASS_A_TOKEN
        case "disabled":
            what = "the cluster demands a token, and RAY_AUTH_MODE=disabled keeps back this one's"
            mend = _HOW_TO_PASS_A_TOKEN
        case _:
            what = f"no Ray {ray.__version__} answers there"
            mend = "give the port of the head's `ray start --head --port`, 6379 by default"
    return Problem(_where(address), what, mend)


def _token_source() -> str:
    """Where Ray takes the token from: the first of these that is set."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        if os.environ.get(name):
            return name if name == "RAY_AUTH_TOKEN" else f"{name}={os.environ[name]}"
    return "~/.ray/auth_token"


def _where(address: str) -> str:
    return f"--ray-address {address}"

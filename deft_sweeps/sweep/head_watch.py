"""Ends the driver with a sentence if it has lost its cluster: the head, or its own node.

Ray itself ends a process whose head does not answer for a minute, from a thread of its own and
without a word of what becomes of the sweep. Nothing in that process can be waited for any more:
a call into Ray that needs the head does not come back. So the driver ends before, in the same way.
A driver whose own node ends is not ended by Ray at all: its workers are, and none starts again.
"""

import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import View

CLUSTER_LOST = 3
"""Exit code of a driver that has lost its cluster."""
STATE = "cluster lost"
"""Of its note."""

_RAY_SEC = float(os.environ.get("RAY_gcs_rpc_server_reconnect_timeout_s", "60"))  # noqa: SIM112
PATIENCE_SEC = _RAY_SEC / 2
"""Without an answer, before the head counts as lost. A head that keeps its state (RocksDB) comes
back within 15 s. Ray ends the process after `_RAY_SEC`, and this thread may wait for its turn."""
_PAUSE_SEC, _CONNECT_SEC = 2.0, 5.0
_NODE_PAUSE_SEC = 20.0
"""Between two connections to this host's node, which logs a line for each."""

_NODE_LOST = (
    "the Ray node of this host, through which this process spoke to it, has ended",
    "start Ray on this host again, or take a host whose Ray is up, then",
)

_watching = threading.Lock()
"""A session watches, and the searches in it need no watch of their own."""


@contextmanager
def head_watch(
    sweep: SweepDir, address: str | None, view: View, node_socket: Path | None = None
) -> Iterator[None]:
    """Watches the head and this host's node while a sweep runs; ends the process if one is lost.

    Args:
        sweep: that runs; its note will say so.
        address: HOST:PORT of the head; None is a local Ray, which ends with this process.
        view: is closed before the sentence is printed.
        node_socket: of the Ray node that this process is attached to.
    """
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal() or not _watching.acquire(blocking=False):
        yield
        return
    ended = threading.Event()
    head = (host.strip("[]"), int(port))
    watch = threading.Thread(
        target=_watch, args=(sweep, head, view, node_socket, ended), daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        ended.set()
        _watching.release()


def _watch(
    sweep: SweepDir,
    head: tuple[str, int],
    view: View,
    node_socket: Path | None,
    ended: threading.Event,
) -> None:
    address, answered_at = f"{head[0]}:{head[1]}", time.monotonic()
    file, looked_at = _identity(node_socket), float("-inf")
    while not ended.wait(_PAUSE_SEC):
        with suppress(OSError):
            socket.create_connection(head, timeout=_CONNECT_SEC).close()
            answered_at = time.monotonic()
        has_ended = _is_another(node_socket, file)
        if node_socket is not None and time.monotonic() - looked_at >= _NODE_PAUSE_SEC:
            looked_at = time.monotonic()
            has_ended = has_ended or _refuses(node_socket)
        if has_ended and not ended.is_set():
            _end(sweep, address, view, *_NODE_LOST)
        if time.monotonic() - answered_at >= PATIENCE_SEC and not ended.is_set():
            what = f"its head at {address} has not answered for {PATIENCE_SEC:.0f} s"
            _end(sweep, address, view, what, "start Ray on the head and the workers again, then")


def _identity(node_socket: Path | None) -> tuple[int, int] | None:
    """Inode and change time, which differ for a later file of the same name."""
    with suppress(OSError):
        if node_socket is not None:
            status = node_socket.stat()
            return status.st_ino, status.st_ctime_ns
    return None


def _is_another(node_socket: Path | None, file: tuple[int, int] | None) -> bool:
    """Whether another node, which does not know this process, has made the socket anew."""
    now = _identity(node_socket)
    return file is not None and now is not None and now != file


def _refuses(node_socket: Path) -> bool:
    """Whether the socket refuses connections. A missing file says nothing: the node may be up."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_SEC)
            connection.connect(str(node_socket))
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _end(sweep: SweepDir, address: str, view: View, what: str, remedy: str) -> NoReturn:
    close = getattr(view, "__exit__", None)
    if close is not None:
        close(None, None, None)
    n_results = len(sweep.trial_ids())
    lines = (
        f"the cluster is lost: {what}. {n_results} finished trials are kept, and the others go on"
        " from their checkpoints.",
        f"next: {remedy} "
        + shlex.join(["deft-sweeps", "run", str(sweep.root), "--resume", "--ray-address", address]),
    )
    with suppress(OSError):
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    note = sweep.note()
    with suppress(OSError):
        if note is not None:
            sweep.write_note(
                replace(note, state=STATE, running=(), n_waiting=0, beat_at=time.time())
            )
    os._exit(CLUSTER_LOST)

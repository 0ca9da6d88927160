"""Ends the driver with a sentence if the head of its cluster is lost.

Ray itself ends a process whose head does not answer for a minute, from a thread of its own and
without a word of what becomes of the sweep. Nothing in that process can be waited for any more:
a call into Ray that needs the head does not come back. So the driver ends before, in the same way.
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

_watching = threading.Lock()
"""A session watches, and the searches in it need no watch of their own."""


@contextmanager
def head_watch(sweep: SweepDir, address: str | None, view: View) -> Iterator[None]:
    """Watches the head while a sweep runs; ends the process if it is lost.

    Args:
        sweep: that runs; its note will say so.
        address: HOST:PORT of the head; None is a local Ray, which ends with this process.
        view: is closed before the sentence is printed.
    """
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal() or not _watching.acquire(blocking=False):
        yield
        return
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(sweep, (host.strip("[]"), int(port)), view, ended), daemon=True
    )
    watch.start()
    try:
        yield
    finally:
        ended.set()
        _watching.release()


def _watch(sweep: SweepDir, head: tuple[str, int], view: View, ended: threading.Event) -> None:
    answered_at = time.monotonic()
    while not ended.wait(_PAUSE_SEC):
        with suppress(OSError):
            socket.create_connection(head, timeout=_CONNECT_SEC).close()
            answered_at = time.monotonic()
        if time.monotonic() - answered_at >= PATIENCE_SEC and not ended.is_set():
            _end(sweep, f"{head[0]}:{head[1]}", view)


def _end(sweep: SweepDir, address: str, view: View) -> NoReturn:
    close = getattr(view, "__exit__", None)
    if close is not None:
        close(None, None, None)
    n_results = len(sweep.trial_ids())
    lines = (
        f"the cluster is lost: its head at {address} has not answered for {PATIENCE_SEC:.0f} s."
        f" {n_results} finished trials are kept, and the others go on from their checkpoints.",
        "next: start Ray on the head and the workers again, then "
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

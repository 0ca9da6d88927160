"""Workers of one node take turns at loading libraries.

A node with fifty slots would otherwise import torch fifty times at once, for example from a network
disk, and no worker would train for a long time. In turns, the first workers train while the others
load, and these find the files in the system's page cache.
"""

import os
import random
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

MOST_TURNS = 16
PATIENCE_SEC = 120.0
"""After which a worker loads without a turn: whoever holds them may hang."""
_POLL_SEC = 0.05


def n_turns() -> int:
    """Workers of a node that load at a time: two for each core, since loading reads and computes,
    up to MOST_TURNS.
    """
    return min(2 * (os.cpu_count() or 1), MOST_TURNS)


def turns_folder() -> Path | None:
    """A folder that this user's processes on this machine share.

    None if another user owns it or may write to it, who could put links in it.
    """
    folder = Path(tempfile.gettempdir()) / f"deft-sweeps-loading-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return folder if is_own and not status.st_mode & 0o022 else None


@contextmanager
def loading_turn(
    folder: Path | None, n_at_a_time: int, patience_sec: float = PATIENCE_SEC
) -> Iterator[bool]:
    """Wait for one of the node's turns and hold it for as long as the context lasts.

    A turn ends with its process, however that ends.

    Args:
        folder: that the node's workers share; None waits for nothing.
        n_at_a_time: turns of the node.
        patience_sec: to wait, at most.

    Yields:
        Whether a turn is held.
    """
    lock = None if folder is None else _first_free(folder, n_at_a_time, patience_sec)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def _first_free(folder: Path, n_at_a_time: int, patience_sec: float) -> FileLock | None:
    """One of the turns' locks, acquired; None if none became free, or none can be had here."""
    locks = [FileLock(folder / f"{i}.lock") for i in range(n_at_a_time)]
    until = time.monotonic() + patience_sec
    while True:
        for lock in locks:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            except OSError:  # Nothing can be written there: no reason to fail a trial.
                return None
            return lock
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL_SEC * (1.0 + random.random()))  # noqa: S311 (spreads the polls)

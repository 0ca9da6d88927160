"""One driver a folder: the lock that it holds.

The lock alone decides whether a driver is dead. It is the system's (flock): on one host it is free
at the moment the process ends, however it ends; on a network drive the server frees it once the
lease of a host that is gone has run out (90 s for NFS). A limit of time of our own would be a
guess: a driver that was only stopped would go on beside the second one. The holder's note decides
whether the lock is worth waiting for.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from deft_sweeps.errors import StoreError
from deft_sweeps.store.driver_note import DriverNote

PATIENCE_SEC = 120.0
"""How long to wait for the lock of a silent driver on another host; NFS frees it after 90 s."""
POLL_SEC = 1.0
SILENT_SEC = 5.0
"""Of waiting, before the user is told. A live driver writes its note each second, so it is noticed
earlier, and refused at once."""

_HELD: ContextVar[frozenset[Path]] = ContextVar("_HELD", default=frozenset())
"""Folders that this thread's driver holds: one that holds a folder for a whole session may take it
again for a part."""


@contextmanager
def lock_folder(
    folder: Path,
    note: Callable[[], DriverNote | None],
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Holds a folder for this driver, also if it holds it already; the system lets go of it when
    the process ends, however it ends.

    If another driver holds it, ran on another host, and its note does not move, the lock is waited
    for: the host may be gone, as after a job was requeued.

    Args:
        folder: of the sweep; made if it is missing.
        note: what the folder's driver last said of itself.
        say: is told a sentence if the lock is waited for.

    Raises:
        StoreError: another driver holds it.
    """
    held, root = _HELD.get(), folder.resolve()
    if root in held:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _acquired(folder, note, say):
        token = _HELD.set(held | {root})
        try:
            yield
        finally:
            _HELD.reset(token)


def is_held(folder: Path) -> bool:
    """Whether a driver holds a folder; makes no file in it.

    A lock that this user may not open is another user's, and counts as held.
    """
    if not (folder / ".lock").exists():
        return False
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        held = not _try(lock)
    except OSError:
        return True
    lock.release()
    return held


@contextmanager
def _acquired(
    folder: Path, note: Callable[[], DriverNote | None], say: Callable[[str], None]
) -> Iterator[None]:
    lock = FileLock(folder / ".lock", blocking=False)
    began, first, has_said = time.monotonic(), note(), False
    while not _try(lock):
        waited_sec = time.monotonic() - began
        if _lives(first, note()) or waited_sec >= PATIENCE_SEC:
            raise StoreError(
                f"{folder} is in use by another driver{_name(note())}; wait for it, or stop it"
            )
        if waited_sec >= SILENT_SEC and not has_said:
            has_said = True
            say(
                f"waiting up to {PATIENCE_SEC:.0f} s for the lock of another driver{_name(first)},"
                " which is silent: a network drive frees the lock of a host that is gone"
            )
        time.sleep(POLL_SEC)
    try:
        yield
    finally:
        lock.release()


def _try(lock: FileLock) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    return True


def _lives(first: DriverNote | None, now: DriverNote | None) -> bool:
    """Whether the holder is known to live: it runs on this host, or its note moves.

    Without a note it is a driver's first second: no dead one has ever held the folder.
    """
    if first is None or now is None or first != now:
        return True
    return now.host == platform.node() and _is_running(now.pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _name(note: DriverNote | None) -> str:
    if note is None:
        return ""
    return f" (process {note.pid}" + (f" on {note.host})" if note.host else ")")

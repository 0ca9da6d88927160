"""A folder for Ray's files that only this user may enter, for as long as a driver lives."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "deft-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Makes a folder of mode 0700, and removes it at the end, or in the place of a dead driver.

    The folder is held by a lock on itself, which ends with the process. A process number says
    nothing: another container that shares the folder for temporary files counts its own.
    """
    _remove_stale()
    path, handle = _held_folder()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _held_folder() -> tuple[Path, int | None]:
    """A new folder, and the open file that locks it; None if a file system locks no folders, whose
    stale ones nobody removes then.
    """
    for is_last in (False, False, True):
        prefix = f"{_PREFIX}{os.getpid()}-"
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=short_temporary_folder()))
        handle = _lock(path)
        if handle is not None or is_last:
            break
        # Another driver, which looks for stale folders, was quicker than the lock.
        shutil.rmtree(path, ignore_errors=True)
    return path, handle


def _lock(path: Path) -> int | None:
    """The open file that locks a folder; None if another process holds it, or it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink:
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def short_temporary_folder() -> str:
    """The folder for temporary files, or /tmp if its path is too long for Ray's sockets."""
    # A socket's path may have 107 characters, of which those below it take up to 90.
    usual = tempfile.gettempdir()
    return usual if len(usual) <= 17 or not os.access("/tmp", os.W_OK) else "/tmp"  # noqa: S108


def _remove_stale() -> None:
    """Removes what drivers left that were killed."""
    for path in Path(short_temporary_folder()).glob(f"{_PREFIX}*-*"):
        with suppress(OSError):
            if path.lstat().st_uid != os.getuid() or not _is_scratch(path.name):
                continue
            handle = _lock(path)
            if handle is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(handle)


def _is_scratch(name: str) -> bool:
    return name.removeprefix(_PREFIX).partition("-")[0].isdecimal()

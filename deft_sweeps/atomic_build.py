"""Builds a file or a folder once, whole or not at all, whoever else builds or crashes meanwhile."""

import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

_DAY_SEC = 86400.0
HOST = re.sub(r"\W", "-", platform.node())
"""This machine in names of files and folders."""


def build_folder(folder: Path, build: Callable[[Path], None]) -> Path:
    """Fills `folder` by `build` unless it exists.

    Args:
        folder: to be there afterwards.
        build: fills the empty folder that it is given.

    Returns:
        `folder`.

    Raises:
        OSError: it cannot be built; the error names no temporary file.
    """
    # As the umask says; mkdtemp's would be closed to those who share it.
    return _build(folder, Path.mkdir, build)


def build_file(file: Path, build: Callable[[Path], None]) -> Path:
    """Writes `file` by `build` unless it exists.

    Args:
        file: to be there afterwards.
        build: fills the empty file that it is given.

    Returns:
        `file`.

    Raises:
        OSError: it cannot be built; the error names no temporary file.
    """
    return _build(file, Path.touch, build)  # As the umask says: SQLite's own would be 0644.


def remove_folder(folder: Path) -> None:
    """Removes a folder that `build_folder` has filled: a reader sees all of it or nothing.

    Raises:
        OSError: it may not be removed.
    """
    temporary = _temporary(folder)
    with suppress(FileNotFoundError):
        folder.rename(temporary)
    _remove(temporary)


def remove_old_leftovers(folder: Path) -> None:
    """Removes what builders that were killed left in `folder`, whatever they built, after a day."""
    temporary = re.compile(r"\..+\.[\w-]+\.[0-9a-f]{12}")
    for entry in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if temporary.fullmatch(entry.name) and _age_sec(entry) > _DAY_SEC:
                _remove(entry)


def _age_sec(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{HOST}.{secrets.token_hex(6)}")


def _build(path: Path, start: Callable[[Path], None], build: Callable[[Path], None]) -> Path:
    """A reader sees all of `path` or nothing: it is built under another name and renamed."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock only saves a second process the work; where a network drive ignores it, the rename
    # still keeps both safe.
    with FileLock(path.parent / f".{path.name}.lock"):
        if path.exists():
            return path
        _remove_leftovers(path)
        temporary = _temporary(path)
        try:
            start(temporary)
            build(temporary)
            if not path.exists():  # A file would be replaced, with all that others wrote since.
                temporary.rename(path)
        except OSError as error:
            if path.exists():
                return path
            if isinstance(error.filename, str | Path):  # Else no two warnings of it are the same.
                named = str(error.filename).replace(str(temporary), str(path))
                raise OSError(error.errno, error.strerror, named) from error
            raise
        finally:
            _remove(temporary)
    return path


def _remove_leftovers(path: Path) -> None:
    """Removes what builders that were killed left behind; the caller holds the lock.

    The lock says that no other builder of this machine lives. One on another machine, which shares
    a drive, may not be held up by it: what is of there goes when it is a day old.
    """
    temporary = re.compile(rf"\.{re.escape(path.name)}\.(?:([\w-]+)\.)?[0-9a-f]{{12}}(?:-\w+)?")
    for entry in list(path.parent.iterdir()):
        name = temporary.fullmatch(entry.name)
        with suppress(OSError):
            if name and (name[1] == HOST or _age_sec(entry) > _DAY_SEC):
                _remove(entry)


def _remove(path: Path) -> None:
    """Removes a file or folder, and the logs that SQLite keeps beside a file."""
    shutil.rmtree(path, ignore_errors=True)
    for name in (path.name, *(f"{path.name}{end}" for end in ("-journal", "-wal", "-shm"))):
        with suppress(OSError):
            path.with_name(name).unlink(missing_ok=True)

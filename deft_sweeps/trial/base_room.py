"""The room that stored bases take: how much it may be, who uses them, and which go first."""

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BufferedReader
from pathlib import Path

from deft_sweeps.atomic_build import HOST, remove_folder, remove_old_leftovers
from deft_sweeps.cache import cache_folder
from deft_sweeps.units import parse_quantity, size

FOLDER_VARIABLE = "DEFT_SWEEPS_BASES"
"""Folder of the stored bases, on a disk of the machine's own say; by default `bases` in the cache
folder."""

LIMIT_VARIABLE = "DEFT_SWEEPS_BASES_LIMIT"
"""Bytes that all stored bases may take, `20 GiB` say; 0 stores none. By default half of what the
drive would have free without them."""

IN_USE = "in_use"
"""File in a base's folder that whoever has the base open locks, and whose time says when it was
opened last."""

_FOREIGN_SEC = 7 * 86400.0
"""After so long without use, a base of another machine on the same drive counts as unused: its
locks may not be seen from here."""
_LOG = logging.getLogger(__name__)


def bases_folder() -> Path:
    """Where the bases are, of all machines that share the drive."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen).expanduser() if chosen else cache_folder() / "bases"


def bases_limit() -> float | None:
    """The user's limit in bytes; None for the default. A limit that cannot be read is said once,
    and the default holds.
    """
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        limit = parse_quantity(text, "bytes", LIMIT_VARIABLE) if text else None
    except ValueError as error:
        warn_once(f"{LIMIT_VARIABLE} is ignored: {error}")
        return None
    return None if limit is None else max(0.0, limit)


def make_room(n_bytes: int) -> None:
    """Remove the least recently used bases that no process has open, until there is room.

    Raises:
        OSError: there is not, although nothing else can be removed.
    """
    for folder in bases_folder().iterdir():
        remove_old_leftovers(folder)
    bases = sorted(_stored(), key=lambda stored: stored.used_at)
    total = sum(stored.n_bytes for stored in bases)
    limit = bases_limit()
    if limit is None:
        limit = (shutil.disk_usage(bases_folder()).free + total) / 2
    for stored in bases:
        if total + n_bytes <= limit:
            return
        if stored.is_unused and _remove_unused(stored.folder):
            total -= stored.n_bytes
    if total + n_bytes > limit:
        raise OSError(
            errno.ENOSPC,
            f"a base of {size(n_bytes)} has no room beside {size(total)} in use, in"
            f" {size(limit)}; {LIMIT_VARIABLE} sets the limit",
            str(bases_folder()),
        )


@dataclass(frozen=True, slots=True)
class _StoredFolder:
    """A stored base.

    Attributes:
        n_bytes: of its files.
        used_at: when it was last opened; seconds since the epoch.
        is_unused: whether it may be removed unless a process of this machine has it open.
    """

    folder: Path
    n_bytes: int
    used_at: float
    is_unused: bool


def _stored() -> Iterator[_StoredFolder]:
    for folder in bases_folder().glob("*/[!.]*"):
        with suppress(OSError):  # Removed meanwhile.
            n_bytes = sum(path.stat().st_size for path in folder.iterdir())
            used_at = (folder / IN_USE).stat().st_mtime
            is_own = folder.parent.name == HOST
            yield _StoredFolder(
                folder, n_bytes, used_at, is_own or time.time() - used_at > _FOREIGN_SEC
            )


def lease_of(folder: Path) -> BufferedReader | None:
    """A lock that keeps the base from being removed until it is closed; None if there is none."""
    path = folder / IN_USE
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        is_same = path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except (BlockingIOError, FileNotFoundError):  # It is being removed.
        is_same = False
    if not is_same:
        file.close()
        return None
    with suppress(OSError):
        os.utime(path)
    return file


def _remove_unused(folder: Path) -> bool:
    """Remove a base unless a process has it open; whether it is gone."""
    try:
        with (folder / IN_USE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_folder(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@cache
def warn_once(text: str) -> None:
    """Warn, unless this process has said the same before."""
    _LOG.warning("%s", text)

"""The user's cache folder: what is converted or tokenised once, and read by every later process."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir


def cache_folder() -> Path:
    """`$DEFT_SWEEPS_CACHE`, or else the system's cache folder of the user
    (`$XDG_CACHE_HOME/deft_sweeps` on Linux).
    """
    chosen = os.environ.get("DEFT_SWEEPS_CACHE")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("deft_sweeps"))


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Fill `folder` by `build` unless it exists; a reader sees all of it or nothing, whoever else
    builds or crashes meanwhile.

    Args:
        folder: to be there afterwards.
        build: fills the empty folder that it is given.

    Returns:
        `folder`.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The lock only saves a second worker the work; where a network drive ignores it, the rename
    # still keeps both safe.
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if folder.is_dir():
            return folder
        temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}")
        temporary.mkdir()  # As the umask says; mkdtemp's would be closed to those who share it.
        try:
            build(temporary)
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

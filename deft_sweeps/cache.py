"""The user's cache folder: what is converted or tokenised once, and read by every later process."""

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_dir


def cache_folder() -> Path:
    """`$DEFT_SWEEPS_CACHE`, or else the system's cache folder of the user
    (`$XDG_CACHE_HOME/deft_sweeps` on Linux).
    """
    chosen = os.environ.get("DEFT_SWEEPS_CACHE")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("deft_sweeps"))


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_stamp(path: Path) -> str:
    """What changes when a file is written to or replaced: size, times of change, place on disk."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"

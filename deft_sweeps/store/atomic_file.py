"""Writes files that a reader, and a crash, sees whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
"""Mode of a file that only its owner may read."""


def write_atomically(
    path: Path,
    content: bytes,
    *,
    durably: bool = True,
    private: bool = False,
) -> None:
    """Writes a file so that a reader, and a crash, sees all of it or nothing of it.

    A `durably` written file survives a loss of power. The umask decides who may read it, except
    that a `private` one is this user's alone.

    Raises:
        OSError: it cannot be written. The error names `path`, never the temporary file, whose name
            is another one each time: a warning that is repeated must be the same sentence.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its 0600 would have to be changed afterwards, and only the system can apply the
    # umask without a moment in which another thread's files are made without it.
    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}"
    mode = PRIVATE if private else 0o666
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durably:
                os.fsync(file.fileno())
        temporary.replace(path)
        if durably:
            _sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def move_durably(path: Path, target: Path) -> None:
    """Moves a file that was written durably, so that the move survives a loss of power too.

    An earlier file at `target` is replaced.

    Raises:
        OSError: it cannot be moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    _sync_folder(target.parent)


def set_aside(path: Path) -> None:
    """Renames a file or folder that cannot be used to `<name>.broken`; an earlier one of that name
    is replaced.

    Raises:
        OSError: it cannot be renamed.
    """
    broken = path.with_name(f"{path.name}.broken")
    if path.is_dir() or broken.is_dir():  # Only an empty folder is replaced by a rename.
        n = 2
        while broken.exists():
            broken, n = path.with_name(f"{path.name}.broken{n}"), n + 1
    path.replace(broken)


def _sync_folder(folder: Path) -> None:
    """Have the names in it survive a loss of power; some file systems cannot, and what was written
    is there all the same.
    """
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

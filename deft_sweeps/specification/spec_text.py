"""A spec's file to text: what is no small UTF-8 file is refused before anything is read of it."""

import os
import stat
from pathlib import Path

from deft_sweeps.errors import ConfigError, Problem

MAX_BYTES = 256 * 2**10
"""The largest spec that is shipped has 6 KiB; a file of this size takes seconds to parse."""


def read_text(path: Path | str) -> str:
    """A file's text, without a byte order mark.

    Raises:
        ConfigError: it is no file, cannot be read, is too large, or is not UTF-8.
    """
    content = _read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"{path}:{line}:1"
        what = f"not UTF-8 text (byte {error.start})"
        raise ConfigError([Problem(where, what, "save the file as UTF-8")]) from error


def _read_bytes(path: Path | str) -> bytes:
    try:
        # A pipe that nobody writes to would be waited for.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            kind = _kind(os.fstat(handle).st_mode)
            content = b"" if kind else _read_all(handle)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL character.
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError([Problem(str(path), f"cannot be read: {reason}")]) from error
    if kind:
        what = f"expected a sweep's YAML, got {kind}"
        raise ConfigError([Problem(str(path), what, "name a file")])
    if len(content) > MAX_BYTES:
        what = f"expected a spec of at most {MAX_BYTES // 2**10} KiB, got a larger file"
        raise ConfigError([Problem(str(path), what, "name a sweep's YAML")])
    return content


def _read_all(handle: int) -> bytes:
    """The file's content; of a file that is too large, its beginning, one byte too long."""
    with os.fdopen(handle, "rb", closefd=False) as file:
        return file.read(MAX_BYTES + 1)


def _kind(mode: int) -> str:
    """What it is where it is no file."""
    if stat.S_ISREG(mode):
        return ""
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"

"""Opens a compiled library by ctypes, and shares its work out among threads.

ctypes releases Python's lock during a call, so that threads of a small pool in Python each compute
a part. The C code then has no state, survives a fork, and may be called by several threads at once.
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from deft_sweeps.errors import ConfigError, Problem

LEVEL_VARIABLE = "DEFT_SWEEPS_KERNEL"
"""Environment variable that names the instructions to use, for tests and to compare."""


class Level(IntEnum):
    """Instructions that a kernel uses."""

    PLAIN = 0
    AVX2 = 1
    AVX512 = 2


def opened_library(folder: Path, name: str) -> ctypes.CDLL | None:
    """The library `name` of a folder; None if the installation has none."""
    for suffix in EXTENSION_SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            opened = ctypes.CDLL(str(path))
            opened.deft_level.restype = ctypes.c_int32
            return opened
    return None


@cache
def best_level(opened: ctypes.CDLL) -> Level:
    """The best level of this processor, or a lower one that LEVEL_VARIABLE named at the first call.

    Raises:
        ConfigError: the variable names no level.
    """
    best, wanted = Level(opened.deft_level()), os.environ.get(LEVEL_VARIABLE, "").upper()
    if not wanted:
        return best
    if wanted not in Level.__members__:
        names = ", ".join(level.name.lower() for level in Level)
        what = f"no instructions {wanted.lower()!r} are known; there are {names}"
        raise ConfigError([Problem(LEVEL_VARIABLE, what, "unset it for the best ones")])
    return min(best, Level[wanted])


@cache
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:
    """Persistent threads; those of a forked child are its own."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="kernel")


def in_parts(compute: Callable[[int], None], n_parts: int) -> None:
    """Call `compute` with 0 to n_parts - 1, each in a thread; the caller's own takes the first."""
    waiting: list[Future[None]] = []
    if n_parts > 1:
        pool = _pool(n_parts - 1, os.getpid())
        waiting = [pool.submit(compute, part) for part in range(1, n_parts)]
    compute(0)
    for future in waiting:
        future.result()

"""The kernel of `mlp_kernel.c`, called by ctypes, and its threads.

ctypes releases Python's lock during a call, so that threads of a small pool in Python each compute
a part. The C code then has no state, survives a fork, and may be called by several threads at once.
"""

import ctypes
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from deft_sweeps.errors import ConfigError, Problem

_log = logging.getLogger(__name__)

LEVEL_VARIABLE = "DEFT_SWEEPS_KERNEL"
"""Environment variable that names the instructions to use, for tests and to compare."""


class Level(IntEnum):
    """Instructions that the kernel uses."""

    PLAIN = 0
    AVX2 = 1
    AVX512 = 2


class Rows(ctypes.Structure):
    """`Rows` of mlp_kernel.c."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
        ("active", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
    )


class KernelJob(ctypes.Structure):
    """`Job` of mlp_kernel.c."""

    _fields_ = (
        ("up", Rows),
        ("down", Rows),
        ("width", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("last", ctypes.c_int64),
        ("x", ctypes.c_void_p),
        ("gate", ctypes.c_void_p),
        ("y", ctypes.c_void_p),
        ("kind", ctypes.c_int32),
        ("level", ctypes.c_int32),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernel; None, said once, if the installation has none."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_mlp_kernel{suffix}")
        if path.is_file():
            return _opened(path)
    _log.warning(
        "deft_sweeps was installed without a C compiler: MLP blocks are computed by torch, and"
        " inactive entries save little time; install gcc or clang and deft-sweeps again"
    )
    return None


def _opened(path: Path) -> ctypes.CDLL:
    opened = ctypes.CDLL(str(path))
    opened.deft_level.restype = ctypes.c_int32
    opened.deft_run.argtypes = [ctypes.c_void_p]
    opened.deft_run.restype = None
    opened.deft_active.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    opened.deft_active.restype = ctypes.c_int64
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    opened.deft_gate.argtypes = [
        *(pointer, size, ctypes.c_int32, ctypes.c_float, pointer),
        *(pointer, size),
    ]
    opened.deft_gate.restype = ctypes.c_int64
    return opened


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
    return ThreadPoolExecutor(n_threads, thread_name_prefix="mlp-kernel")


def in_parts(compute: Callable[[int], None], n_parts: int) -> None:
    """Call `compute` with 0 to n_parts - 1, each in a thread; the caller's own takes the first."""
    waiting: list[Future[None]] = []
    if n_parts > 1:
        pool = _pool(n_parts - 1, os.getpid())
        waiting = [pool.submit(compute, part) for part in range(1, n_parts)]
    compute(0)
    for future in waiting:
        future.result()

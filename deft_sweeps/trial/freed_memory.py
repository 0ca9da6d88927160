"""Freed memory: kept while a model trains, handed back to the system before memory is measured.

glibc maps large blocks anew at each request and trims its heap, so that every step's tensors fault
in their pages again. All functions do nothing where the C library is not glibc.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of `mallopt`'s parameters (malloc.h)."""

_LARGEST_MMAP = 32 * 2**20
"""The highest threshold that glibc takes on 64 bits, and that its own adjustment reaches; its trim
threshold is then twice that."""

_KEPT = 2**30
"""Bytes of freed memory that training may hold at the heap's end."""


@cache
def _glibc() -> Any | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def give_back_freed() -> None:
    """Hand freed memory back. Call before large allocations too: blocks of other sizes do not fit
    into what training freed.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@contextmanager
def keeping_freed() -> Iterator[None]:
    """Keep freed memory for the next tensors inside the context; afterwards it is handed back, and
    glibc's thresholds are the highest that it reaches by itself.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP)
    library.mallopt(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP)
        library.malloc_trim(0)

"""Hands freed memory back to the system, which glibc by itself keeps for later."""

import ctypes
import sys


def give_back_freed() -> None:
    """For moments at which large blocks of other sizes are about to be taken: what training left
    does not fit them, and would be held besides. Does nothing where the C library has no
    `malloc_trim`.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

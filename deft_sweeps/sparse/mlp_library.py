"""The kernel of `mlp_kernel.c`, called by ctypes."""

import ctypes
import logging
from functools import cache
from pathlib import Path

from deft_sweeps.kernels.compiled_library import opened_library

_log = logging.getLogger(__name__)


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
    opened = opened_library(Path(__file__).parent, "_mlp_kernel")
    if opened is None:
        _log.warning(
            "deft_sweeps was installed without a C compiler: MLP blocks are computed by torch, and"
            " inactive entries save little time; install gcc or clang and deft-sweeps again"
        )
        return None
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

"""How much memory this process holds, now and at most. Loads no torch."""

import re
import resource
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    """Memory of this process that is in RAM now."""
    return _status_bytes("VmRSS")


def peak_resident_bytes() -> int:
    """The most memory of this process that was in RAM since `forget_peak`."""
    return _status_bytes("VmHWM")


def forget_peak() -> None:
    """Let the system's high-water mark start again from the present; where it has no such thing,
    the mark is the process's own.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _status_bytes(name: str) -> int:
    if not _STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
    return int(line[1]) * 1024 if line else 0

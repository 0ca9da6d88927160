"""What a node of a cluster is like, seen from a process on it.

Ray ships this module by value, so it imports the standard library alone: a node that lacks this
package answers as well. The driver runs the same function for what it compares with.
"""

import hashlib
import os
import socket
import subprocess
import sys
import time
from importlib import invalidate_caches
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (it is looked at only)

_GPU_ANSWER_SEC = 20.0
"""That the GPU's driver gets: it may have to start first."""


def gather_facts(
    package: str, libraries: tuple[str, ...], marker: Path | None, reply: Path | None
) -> dict[str, Any]:
    """The fields of a NodeFacts, as plain data.

    Args:
        package: whose source is hashed; a distribution of the same name, with hyphens.
        libraries: distributions whose versions are read.
        marker: a file that the driver wrote into the sweep's folder; None looks for none.
        reply: a file to create beside it, for the driver to see.
    """
    invalidate_caches()  # Ray reuses processes: something may have been installed since.
    return {
        "host": socket.gethostname(),
        "clock": time.time(),
        "versions": {
            "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
            package.replace("_", "-"): _package_version(package),
            **{name: _version(name) for name in libraries},
        },
        "source": _source_digest(package),
        "folder_problem": None if marker is None else _folder_problem(marker, reply),
        "shared_memory_bytes": _shared_memory_bytes(),
        "gpu_bytes": _gpu_bytes(),
    }


def _version(name: str) -> str | None:
    """Of an installed distribution; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package_version(package: str) -> str | None:
    """Of a package that can be imported; an editable installation may have lost its folder."""
    if not _source_folders(package):
        return None
    try:
        return distribution(package.replace("_", "-")).version
    except PackageNotFoundError:
        return "of an unknown version"


def _source_folders(package: str) -> list[str]:
    spec = find_spec(package)
    # Without an `__init__.py` Python takes any folder of that name for a package.
    return (
        [] if spec is None or spec.origin is None else list(spec.submodule_search_locations or ())
    )


def _source_digest(package: str) -> str:
    """Of the Python files of a package, independent of where they lie; empty without any."""
    digest = hashlib.sha256()
    folders = _source_folders(package)
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest() if folders else ""


def _folder_problem(marker: Path, reply: Path | None) -> str:
    """Why this node cannot use the driver's folder: `absent`, `another`, or what the system says
    about writing there; empty if it can.
    """
    if not marker.parent.is_dir():
        return "absent"
    if not marker.exists():
        return "another"
    if reply is None:
        return ""
    try:
        reply.touch()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _shared_memory_bytes() -> int | None:
    """Size of the file system that Ray's object store should lie in; None without one."""
    try:
        sizes = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    return sizes.f_frsize * sizes.f_blocks


def _gpu_bytes() -> int | None:
    """Memory of the smallest GPU; None without one, or if GPUs are cut into slices (MIG)."""
    query = ["nvidia-smi", "--query-gpu=memory.total,mig.mode.current"]
    try:
        done = subprocess.run(
            [*query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_GPU_ANSWER_SEC,
            check=True,
        )
        rows = [line.split(",") for line in done.stdout.splitlines() if line.strip()]
        if any(slices.strip() == "Enabled" for _, slices in rows):
            return None
        return min(int(mebibytes) for mebibytes, _ in rows) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None

"""Whether the weights in the hub's cache are those that the hub gave. Loads no torch."""

import re
from pathlib import Path

from deft_sweeps.atomic_build import build_file
from deft_sweeps.cache import cache_folder, sha256_file

_SHA256 = re.compile(r"[0-9a-f]{64}")


def altered_weights(folder: Path) -> list[str]:
    """The weight files of a snapshot whose content is not what the hub's cache names it by.

    The cache names a large file by the SHA-256 of its content. Each is read once, and again if its
    size, its time of change or its place on the disk is another.

    Args:
        folder: a snapshot in the hub's cache.

    Returns:
        A sentence for each file.
    """
    problems = []
    for path in sorted(folder.glob("*.safetensors")):
        blob = path.resolve()
        if _SHA256.fullmatch(blob.name) and blob.is_file() and not _is_whole(blob):
            problems.append(
                f"{path} is not the file that the hub gave: its SHA-256 is not {blob.name[:12]}...;"
                f" delete {blob} and download it again"
            )
    return problems


def _is_whole(blob: Path) -> bool:
    status = blob.stat()
    state = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
    verified = cache_folder() / "hub_blobs" / f"{blob.name}-{state}"
    if not verified.exists():
        if sha256_file(blob) != blob.name:
            return False
        build_file(verified, lambda _: None)
    return True

"""The id of a sweep, under which servers that several sweeps share know it."""

import hashlib
import platform
import secrets
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.store.json_record import read_record, write_record
from deft_sweeps.store.sweep_dir import SweepDir


@dataclass(frozen=True, slots=True)
class _Identity:
    """The record in a sweep's folder.

    Attributes:
        sweep_id: 16 hex digits.
        folder: in which it was last read, absolute.
    """

    sweep_id: str
    folder: str


def sweep_id(sweep: SweepDir) -> str:
    """The sweep's id, 16 hex digits: made once, and the same on every host and after a move.

    A copy gets an id of its own if the folder that it was copied from is still there. A folder of
    an earlier version keeps what its sweep was called before, if it is read first on the same
    host and under the same path.

    Raises:
        OSError: a new record cannot be written.
    """
    root, path = sweep.root.resolve(), sweep.identity_path
    try:
        identity = read_record(path, _Identity)
    except (OSError, ValueError):
        has_run = sweep.has_results() or sweep.note() is not None
        identity = _Identity(_former_id(root) if has_run else secrets.token_hex(8), str(root))
        write_record(path, identity)
    if identity.folder != str(root):
        new_id = secrets.token_hex(8) if _is_copy(identity, path) else identity.sweep_id
        identity = _Identity(new_id, str(root))
        write_record(path, identity)
    return identity.sweep_id


def _former_id(root: Path) -> str:
    """What versions without a record called the sweep in this folder, on this host."""
    return hashlib.sha256(f"{platform.node()}:{root}".encode()).hexdigest()[:16]


def _is_copy(identity: _Identity, path: Path) -> bool:
    """Whether the folder that the record names is another one and holds the same sweep."""
    original = Path(identity.folder) / path.name
    try:
        same_id = read_record(original, _Identity).sweep_id == identity.sweep_id
        return same_id and not original.samefile(path)
    except (OSError, ValueError):
        return False

"""A checkpoint as a file that says whose it is, and shows whether it was changed."""

import hashlib
from pathlib import Path

from deft_sweeps.errors import TrialError

_MAGIC = b"deft-sweeps checkpoint"


def packed(trial_id: str, state: bytes) -> bytes:
    """A trial's state below a line with its id and a checksum."""
    return b"%b %b %b\n%b" % (_MAGIC, trial_id.encode(), _checksum(state), state)


def read_checkpoint(path: Path, trial_id: str) -> bytes:
    """The state that a trial goes on from.

    A file of an earlier version has no such line, and is taken as it is.

    Raises:
        TrialError: it is empty, truncated or changed, or another trial's.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if not content:
        raise TrialError(f"{path} is empty")
    line, _, state = content.partition(b"\n")
    if not line.startswith(_MAGIC):
        return content
    owner, _, checksum = line.removeprefix(_MAGIC).strip().partition(b" ")
    if checksum != _checksum(state):
        raise TrialError(f"{path} is damaged: its checksum does not hold")
    if owner != trial_id.encode():
        raise TrialError(f"{path} is of {owner.decode(errors='replace')}")
    return state


def _checksum(state: bytes) -> bytes:
    return hashlib.sha256(state).hexdigest().encode()

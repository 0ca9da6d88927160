"""The trained weights of one trial as a file of a sweep's folder."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, deserialize

from deft_sweeps.errors import StoreError

TRIAL_ID = "trial_id"
"""Key of the file's own metadata; files of earlier versions lack it."""


def read_weights(path: Path) -> bytes:
    """A trial's weights, as safetensors.

    Raises:
        StoreError: the file is missing or truncated, or holds another trial's weights; says what
            to do.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(_unusable(path, "is missing")) from None
    except OSError as error:
        raise StoreError(_unusable(path, f"cannot be read: {error.strerror}")) from error
    try:
        deserialize(content)  # type: ignore[no-untyped-call]  # safetensors ships none
    except SafetensorError as error:
        raise StoreError(_unusable(path, f"is damaged: {error}")) from error
    trial_id = _metadata(content).get(TRIAL_ID, path.stem)
    if trial_id != path.stem:
        raise StoreError(_unusable(path, f"holds the weights of {trial_id}"))
    return content


def owner_of(path: Path) -> str:
    """The trial_id that a file of weights states; empty in files of earlier versions.

    Raises:
        StoreError: the file is truncated, or no file of weights.
        OSError: it is missing, or cannot be opened.
    """
    content = path.read_bytes()
    try:
        deserialize(content)  # type: ignore[no-untyped-call]  # safetensors ships none
    except SafetensorError as error:
        raise StoreError(f"is damaged: {error}") from error
    return str(_metadata(content).get(TRIAL_ID, ""))


def _metadata(content: bytes) -> dict[str, Any]:
    """What the file says of itself; `content` is whole."""
    n_header = int.from_bytes(content[:8], "little")
    metadata: dict[str, Any] = json.loads(content[8 : 8 + n_header]).get("__metadata__", {})
    return metadata


def _unusable(path: Path, what: str) -> str:
    result = path.parents[1] / "results" / f"{path.stem}.json"
    return (
        f"{path} {what}; put it back, or move {result} away: then `deft-sweeps run"
        f" {path.parents[1]} --resume` trains another trial in its place"
    )

"""The trained weights of one trial as a file of a sweep's folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, deserialize

from deft_sweeps.errors import StoreError

TRIAL_ID = "trial_id"
"""Key of the file's own metadata; files of earlier versions lack it."""
_SHA256 = "sha256"


def sealed(content: bytes) -> bytes:
    """Safetensors whose metadata also hold a checksum of the tensors."""
    header, data = _parts(content)
    header["__metadata__"] = _metadata(header) | {_SHA256: _checksum(header, data)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # The format aligns the tensors to eight bytes.
    return b"".join((len(text).to_bytes(8, "little"), text, data))


def read_weights(path: Path) -> bytes:
    """A trial's weights, as safetensors.

    Raises:
        StoreError: the file is missing, truncated or changed, or holds another trial's weights;
            says what to do.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(_unusable(path, "is missing")) from None
    except OSError as error:
        raise StoreError(_unusable(path, f"cannot be read: {error.strerror}")) from error
    try:
        trial_id = _owner(content) or path.stem
    except StoreError as error:
        raise StoreError(_unusable(path, str(error))) from error
    if trial_id != path.stem:
        raise StoreError(_unusable(path, f"holds the weights of {trial_id}"))
    return content


def owner_of(path: Path) -> str:
    """The trial_id that a file of weights states; empty in files of earlier versions.

    Raises:
        StoreError: the file is truncated or changed, or no file of weights.
        OSError: it is missing, or cannot be opened.
    """
    return _owner(path.read_bytes())


def _owner(content: bytes) -> str:
    """The trial_id that safetensors state, empty if none, once they prove to be whole.

    Raises:
        StoreError: they are damaged, as a clause.
    """
    try:
        deserialize(content)  # type: ignore[no-untyped-call]  # safetensors ships none
    except SafetensorError as error:
        raise StoreError(f"is damaged: {error}") from error
    header, data = _parts(content)
    metadata = _metadata(header)
    if _SHA256 in metadata and metadata[_SHA256] != _checksum(header, data):
        raise StoreError("is damaged: its checksum does not hold")
    return metadata.get(TRIAL_ID, "")


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and tensors; `content` is whole."""
    end = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8:end])
    return header, memoryview(content)[end:]


def _metadata(header: dict[str, Any]) -> dict[str, str]:
    """What the file says of itself."""
    metadata: dict[str, str] = header.get("__metadata__") or {}
    return metadata


def _checksum(header: dict[str, Any], data: memoryview) -> str:
    """Of the tensors, with their names, types, shapes and places."""
    described = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()


def _unusable(path: Path, what: str) -> str:
    result = path.parents[1] / "results" / f"{path.stem}.json"
    return (
        f"{path} {what}; put it back, or move {result} away: then `deft-sweeps run"
        f" {path.parents[1]} --resume` trains another trial in its place"
    )

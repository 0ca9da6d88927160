"""Writes and reads a bundle's `deployment.yaml`, and checks the bundle's files against it."""

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deft_sweeps.cache import sha256_file
from deft_sweeps.config.trial import codec
from deft_sweeps.deploy.manifest import MANIFEST_VERSION, Manifest
from deft_sweeps.errors import BundleError
from deft_sweeps.store.atomic_file import write_atomically

MANIFEST_NAME = "deployment.yaml"

_MAX_BYTES = 16 << 20
_PICKLE_ENDINGS = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")
"""Of a pickle, and of the archive of pickles that torch writes. CTranslate2's `model.bin` begins
otherwise."""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest beside the files that it names; the old one stays until the new one is
    whole.
    """
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(codec(Manifest).dump_python(manifest, mode="json"), text)
    write_atomically(folder / MANIFEST_NAME, text.getvalue().encode())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle; its files are not looked at.

    Raises:
        BundleError: there is none, or it cannot be read.
    """
    path = folder / MANIFEST_NAME
    document = _document(path)
    version = document.get("schema_version")
    if version != MANIFEST_VERSION:
        raise BundleError(
            f"{path}: expected schema_version {MANIFEST_VERSION}, got {version!r}; read it with the"
            " version of deft-sweeps that wrote it, or export again"
        )
    try:
        # From JSON, so that lists become tuples.
        manifest: Manifest = codec(Manifest).validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(
            f"{path}: {where or 'the document'}: {first['msg']}"
            f" ({error.error_count()} problems); export again"
        ) from None
    return manifest


def check_files(folder: Path, manifest: Manifest, parts: Iterable[str] | None = None) -> None:
    """Compare the bundle's files with the manifest's checksums.

    Args:
        folder: of the bundle.
        manifest: of it.
        parts: top folders or files to check; None checks all.

    Raises:
        BundleError: lists every file that is missing, changed, outside of the folder, or a pickle.
    """
    wanted = None if parts is None else set(parts)
    problems = []
    for name, digest in sorted(manifest.files.items()):
        if wanted is not None and PurePosixPath(name).parts[0] not in wanted:
            continue
        if problem := _problem(folder, name, digest):
            problems.append(problem)
    problems += [
        f"{path.relative_to(folder)} is a pickle, which may run code when it is opened"
        for path in sorted(folder.rglob("*"))
        if _is_pickle(path)
    ]
    if problems:
        raise BundleError(f"{folder} is not what was exported: " + "; ".join(problems))


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder except the manifest, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
    digests.pop(MANIFEST_NAME, None)
    return digests


def _document(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAX_BYTES else b""
    except FileNotFoundError:
        raise BundleError(
            f"{path.parent} is no bundle: it has no {MANIFEST_NAME}; `deft-sweeps export SWEEP_DIR"
            f" {path.parent}` makes one"
        ) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from None
    if size > _MAX_BYTES:
        raise BundleError(f"{path}: expected at most {_MAX_BYTES:,} bytes, got {size:,}")
    try:
        document = YAML(typ="safe", pure=True).load(content.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"{path} is no YAML: {reason}") from None
    if not isinstance(document, dict):
        raise BundleError(f"{path}: expected a mapping, got {type(document).__name__}")
    return document


def _problem(folder: Path, name: str, digest: str) -> str:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        return f"{name} lies outside of the bundle"
    path = folder / pure
    if not path.is_file():
        return f"{name} is missing"
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        return f"{name} is a link to a file outside of the bundle"
    if sha256_file(path) != digest:
        return f"{name} was changed"
    return ""


def _is_pickle(path: Path) -> bool:
    if path.suffix not in _PICKLE_ENDINGS or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4).startswith(_PICKLE_STARTS)

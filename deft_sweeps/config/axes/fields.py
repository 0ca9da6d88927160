"""The one wording of a field out of its range."""

import re

_REVISION = re.compile(r"[A-Za-z0-9_][^\s@:~^?*\[\\]*")


def check(holds: bool, expected: str, got: object) -> None:
    """Raise ValueError with one wording when a field is out of its range."""
    if not holds:
        raise ValueError(f"expected {expected}, got {got!r}")


def check_path(name: str, path: str | None) -> None:
    """Raise ValueError when no file system can hold a file of this name.

    Args:
        name: of the field.
        path: of a file or folder; a hub id obeys the same bounds.
    """
    if path is None:
        return
    length = len(path.encode(errors="surrogatepass"))
    longest = max(len(part.encode(errors="surrogatepass")) for part in path.split("/"))
    whole, between = "of at most 4095 bytes", "with at most 255 bytes between two slashes"
    check(length <= 4095, f"{name} {whole}", f"{length} bytes")
    check(longest <= 255, f"{name} {between}", f"{longest} bytes")
    check("\0" not in path, f"{name} without a NUL character", path)


def check_revision(name: str, revision: str | None) -> None:
    """Raise ValueError unless `revision` can be a commit, a tag or a branch.

    Args:
        name: of the field.
        revision: of a repository; None is none.
    """
    what = f"{name} as a commit, a tag or a branch"
    check(revision is None or _REVISION.fullmatch(revision) is not None, what, revision)
    check_path(name, revision)

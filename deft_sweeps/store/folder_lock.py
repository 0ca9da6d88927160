"""One driver a folder: the lock that it holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from deft_sweeps.errors import StoreError

_HELD: ContextVar[frozenset[Path]] = ContextVar("_HELD", default=frozenset())
"""Folders that this thread's driver holds: one that holds a folder for a whole session may take it
again for a part."""


@contextmanager
def lock_folder(folder: Path, holder: Callable[[], str]) -> Iterator[None]:
    """Holds a folder for this driver, also if it holds it already; the system lets go of it when
    the process ends, however it ends.

    Args:
        folder: of the sweep; made if it is missing.
        holder: names the driver that holds it, asked only if another one does; may be empty.

    Raises:
        StoreError: another driver holds it.
    """
    held, root = _HELD.get(), folder.resolve()
    if root in held:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        acquired = FileLock(folder / ".lock", blocking=False).acquire()
    except Timeout as error:
        raise StoreError(
            f"{folder} is in use by another driver{holder()}; wait for it, or stop it"
        ) from error
    with acquired:
        token = _HELD.set(held | {root})
        try:
            yield
        finally:
            _HELD.reset(token)

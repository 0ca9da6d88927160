"""Where a sweep's study is kept: a SQLite file or a journal in its folder, or a database by URL."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from deft_sweeps.errors import StoreError
from deft_sweeps.specification.search_settings import STORAGE_FILES
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store import database
from deft_sweeps.store.results import SweepDir
from deft_sweeps.store.secrets import short_reason, without_secrets
from deft_sweeps.study.lease import Lease

MOST_IN_SQLITE = 1000
FILE_STUDY = "sweep"
"""Name of the study where the storage holds but one."""

BROKEN = (OSError, StorageInternalError)
"""What a storage raises that cannot be reached or written for now."""

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg[binary]"),
    "mysql": ("mysql+pymysql", "pymysql"),
}
"""SQLAlchemy's name of the driver that is taken where a URL names none, and the package that brings
it."""


def kept_in(spec: SweepSpec, sweep: SweepDir) -> str:
    """What `search.storage` comes to. `auto` is the file that the folder has, else SQLite, which
    more programs read; a long search begins with the journal, whose writes take a fifth of the
    driver's time that SQLite's take (measured, benchmarks/scale.py).
    """
    if spec.search.storage != "auto":
        return spec.search.storage
    if sweep.journal_path.exists() or sweep.study_path.exists():
        return "journal" if sweep.journal_path.exists() else "sqlite"
    return "sqlite" if spec.budget.trials <= MOST_IN_SQLITE else "journal"


def study_name(storage: str, sweep: SweepDir) -> str:
    """Of the sweep's study; in a database that others share, the folder's own."""
    return FILE_STUDY if storage in STORAGE_FILES else f"deft-sweeps {sweep.study_token()}"


def connect(storage: str, sweep: SweepDir) -> BaseStorage:
    """Open the storage; a file that cannot be read is set aside, since the results hold all that it
    knew.

    Args:
        storage: as `kept_in` says.
        sweep: its folder.

    Raises:
        StoreError: the database's driver is not installed, or the database cannot be reached.
    """
    match storage:
        case "sqlite":
            try:
                return _file(sweep.study_path)
            except (
                Exception
            ) as error:  # SQLAlchemy's own where it is the first look at the file, Optuna's later.
                if "not a database" not in str(root(error)) and "malformed" not in str(root(error)):
                    raise StoreError(
                        f"{sweep.study_path} cannot be opened: {short_reason(root(error))}"
                    ) from error
                _set_aside(sweep.study_path)
                return _file(sweep.study_path)
        case "journal":
            try:
                return _journal(sweep.journal_path)
            except (ValueError, KeyError, AssertionError):
                _set_aside(sweep.journal_path)
                return _journal(sweep.journal_path)
        case url:
            return _by_url(url)


def check_reachable(spec: SweepSpec, sweep: SweepDir) -> None:
    """Look whether a database can be used, before anything is started; nothing to do for a file in
    the folder.

    Raises:
        StoreError: its driver is missing, it cannot be reached, or another driver has the study.
    """
    where = kept_in(spec, sweep)
    if where in STORAGE_FILES:
        return
    storage, name = connect(where, sweep), study_name(where, sweep)
    try:
        with suppress(KeyError):  # There is no such study yet.
            Lease(sweep.root).check(optuna.load_study(study_name=name, storage=storage))
    finally:
        storage.remove_session()


def let_go(storage: BaseStorage) -> None:
    """Close its connections; it opens new ones where it is used again."""
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def root(error: BaseException) -> BaseException:
    """The innermost cause: Optuna wraps the database's sentence in two others."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _by_url(url: str) -> BaseStorage:
    scheme, _, rest = url.partition("://")
    dialect, package = _DRIVERS.get(scheme, (scheme, ""))
    package = package or next(
        (p for name, (_, p) in _DRIVERS.items() if scheme.startswith(name)), ""
    )
    try:
        return _database(f"{dialect}://{rest}")
    except ImportError as error:
        mend = f"; `pip install '{package}'` brings it" if package else ""
        raise StoreError(
            f"search.storage: the database driver of {scheme} is not installed{mend}"
        ) from error
    except (
        Exception
    ) as error:  # Each driver raises its own; whatever it is, the study cannot be kept there.
        raise StoreError(
            f"search.storage: {without_secrets(url)} cannot be used: {short_reason(root(error))}"
        ) from error


def _file(path: Path) -> RDBStorage:
    database.check(path)
    # The driver is the only writer, but a reader (a dashboard) may look at any time; what the last
    # moment wrote is in the results.
    return RDBStorage(
        f"sqlite:///{path.resolve()}",
        engine_kwargs={"creator": lambda: database.connect(path.resolve())},
    )


def _database(url: str) -> RDBStorage:
    # A reader may hold a SQLite file for a moment.
    arguments: dict[str, Any] = (
        {"connect_args": {"timeout": 30}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    )
    return RDBStorage(url, engine_kwargs=arguments)


def _journal(path: Path) -> JournalStorage:
    _mend(path)
    return JournalStorage(_Journal(str(path)))


class _Journal(JournalFileBackend):
    """Optuna's file, from which what a full disk took of a write is cut off again: the next write
    would come to stand in that line.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        size = os.path.getsize(self._file_path)
        try:
            super().append_logs(logs)
        except OSError:
            os.truncate(self._file_path, size)
            raise


def _mend(path: Path) -> None:
    """Take out what a driver that was killed left behind: half a line, and its lock. The folder's
    lock is this driver's.
    """
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.is_file():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)


def _set_aside(path: Path) -> None:
    # SQLite would write an old file's log into a new one.
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with suppress(FileNotFoundError):
            path.with_name(name).replace(path.with_name(f"{name}.broken"))

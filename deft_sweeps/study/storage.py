"""Where the mirror of a sweep's study lies: a SQLite file in its folder, or a database by URL."""

from pathlib import Path
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import TrialState

from deft_sweeps.errors import StoreError
from deft_sweeps.extras import installation
from deft_sweeps.specification.search_settings import STORAGE_FILES
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store import database
from deft_sweeps.store.secrets import short_reason, without_secrets
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.sweep_identity import sweep_id

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
}
"""SQLAlchemy's name of the driver for a URL that names none; its key is the extra that brings it.
"""


class MirrorStorage(RDBStorage):
    """Optuna's storage, in which a trial that has ended may still get user attributes."""

    def check_trial_is_updatable(self, trial_id: int, trial_state: TrialState) -> None:
        """Allows it: whether a trial is on the front changes after its end."""


def is_own_file(spec: SweepSpec) -> bool:
    """Whether the mirror is `study.db` in the sweep's folder."""
    return spec.search.storage in ("auto", *STORAGE_FILES)


def place(spec: SweepSpec, sweep: SweepDir) -> str:
    """The mirror's address, without a password."""
    return str(sweep.study_path) if is_own_file(spec) else without_secrets(spec.search.storage)


def study_name(spec: SweepSpec, sweep: SweepDir) -> str:
    """The sweep's own name; on a database that sweeps share, with the sweep's id."""
    return spec.name if is_own_file(spec) else f"{spec.name} ({sweep_id(sweep)})"


def open_storage(spec: SweepSpec, sweep: SweepDir) -> MirrorStorage:
    """Opens the mirror's storage; a damaged file is set aside, since the results hold it all.

    Raises:
        StoreError: the database's driver is not installed, or the storage cannot be used.
    """
    if not is_own_file(spec):
        return _by_url(spec.search.storage)
    path = sweep.study_path
    try:
        return _file(path)
    except Exception as error:  # SQLAlchemy's own, or Optuna's.
        reason = root_cause(error)
        if not database.is_damage(reason):
            raise StoreError(f"{path} cannot be opened: {short_reason(reason)}") from error
    database.set_database_aside(path)
    return _file(path)


def check_reachable(spec: SweepSpec, sweep: SweepDir) -> None:
    """Opens a database before anything is started; does nothing for a file in the folder.

    Raises:
        StoreError: its driver is missing, or it cannot be reached.
    """
    if not is_own_file(spec):
        release(open_storage(spec, sweep))


def release(storage: RDBStorage) -> None:
    """Closes the connections of a storage; it opens new ones if it is used again."""
    storage.remove_session()
    storage.engine.dispose()


def root_cause(error: BaseException) -> BaseException:
    """The innermost cause: Optuna wraps the database's sentence in two others."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _by_url(url: str) -> MirrorStorage:
    scheme, _, rest = url.partition("://")
    dialect = _DRIVERS.get(scheme, scheme)
    extra = next((name for name in _DRIVERS if scheme.startswith(name)), None)
    try:
        return _database(f"{dialect}://{rest}")
    except ImportError as error:
        install = "" if extra is None else f"; type: {installation(extra)}"
        what = f"the database driver of {scheme} is not installed{install}"
        raise StoreError(f"search.storage: {what}") from error
    except Exception as error:  # Each driver raises its own.
        reason = short_reason(root_cause(error))
        where = without_secrets(url)
        raise StoreError(f"search.storage: {where} cannot be used: {reason}") from error


def _file(path: Path) -> MirrorStorage:
    database.check(path)
    connection = {"creator": lambda: database.connect(path.resolve())}
    return MirrorStorage(database.sqlite_url(path), engine_kwargs=connection)


def _database(url: str) -> MirrorStorage:
    # A reader may hold a SQLite file for a moment.
    waiting: dict[str, Any] = {"connect_args": {"timeout": 30}}
    arguments = waiting if url.startswith("sqlite") else {"pool_pre_ping": True}
    return MirrorStorage(url, engine_kwargs=arguments)

"""SQLite files as a sweep uses them: one writer, readers at any time."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from deft_sweeps.store.atomic_file import set_aside


def sqlite_url(path: Path) -> str:
    """A file as SQLAlchemy names it, wherever it lies.

    A name with `?`, `%` or the like is quoted, and the driver is named then: MLflow takes
    `sqlite:///` for a prefix of a plain path, and would make a folder of the quoted name.
    """
    plain = str(path.resolve())
    quoted = quote(plain)
    return f"sqlite:///{plain}" if quoted == plain else f"sqlite+pysqlite:///{quoted}"


def write_ahead(path: Path) -> None:
    """Have a file, made where it is missing, log ahead of its pages: a reader holds up no writer,
    and a commit costs one flush to the disk instead of several. Where the file system cannot do
    that, or the file cannot be opened, it stays as it was.
    """
    if not path.exists():  # SQLite itself would make it 0644 where the umask allows a group more.
        with suppress(OSError):
            path.touch()
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=30)) as file:
        file.execute("PRAGMA journal_mode=WAL")


def check(path: Path) -> None:
    """Read a whole file, if it is there: a page that is damaged is otherwise met only by who needs
    it, and each time.

    Raises:
        sqlite3.Error: it cannot be read, or is malformed.
    """
    if path.exists():
        with closing(sqlite3.connect(path, timeout=30)) as file:
            (message,) = file.execute("PRAGMA quick_check(1)").fetchone()
        if message != "ok":
            raise sqlite3.DatabaseError(f"malformed: {message}")


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a file in that mode whose commits survive the death of the process, and of
    the machine but for the last ones: for what can be made again.

    Raises:
        sqlite3.Error: the file cannot be opened.
    """
    write_ahead(path)
    file = sqlite3.connect(path, timeout=30, check_same_thread=False)
    file.execute("PRAGMA synchronous=NORMAL")
    return file


def is_damage(reason: BaseException) -> bool:
    """Whether SQLite says that a file is none of its own, or that its pages are damaged."""
    return "not a database" in str(reason) or "malformed" in str(reason)


def set_database_aside(path: Path) -> None:
    """Renames a SQLite file and its logs: SQLite would write an old log into a new file."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with suppress(FileNotFoundError):
            set_aside(path.with_name(name))

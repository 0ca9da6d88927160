"""A real PostgreSQL on loopback, with a database, a user and a password of its own."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAME = "tracker"
READY_SEC = 120.0


def binary(name: str) -> str | None:
    """A program of PostgreSQL's server; Debian's packages keep it off the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgreSQL:
    """A server that is made when it is entered, and gone afterwards.

    PostgreSQL refuses to run as root, so root starts it as `nobody`.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._password = secrets.token_hex(8)
        self._folder = Path(tempfile.mkdtemp(prefix="deft-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def url(self, database: str = NAME) -> str:
        """Of a database, with its password, as SQLAlchemy takes it."""
        return f"postgresql+psycopg://{NAME}:{self._password}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> "PostgreSQL":
        password = self._folder / "password"
        password.write_text(f"{self._password}\n")
        if self._user:
            os.chown(password, self._user["user"], self._user["group"])
        self._run(
            *(binary("initdb") or "initdb", "-D", str(self._data), "-U", NAME),
            *("-A", "scram-sha-256", "--pwfile", str(password)),
            *("--no-sync", "-E", "UTF8", "--locale", "C"),
        )
        self.start()
        self.execute(f"CREATE DATABASE {NAME}", "postgres")
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Starts the server, and waits until it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(binary("postgres") or "postgres", "-D", str(self._data)),
                    *("-c", "listen_addresses=127.0.0.1", "-p", str(self.port)),
                    *("-c", "unix_socket_directories=", "-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._user,
            )
        until = time.monotonic() + READY_SEC
        while True:
            try:
                self.execute("SELECT 1", "postgres")
                return
            except Exception:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError((self._folder / "log").read_text()) from None
                time.sleep(0.1)

    def stop(self) -> None:
        """Ends the server at once, as after a loss of power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
            self._process = None

    def execute(self, statement: str, database: str = NAME) -> list[tuple[Any, ...]]:
        """Runs a statement; the rows that it gives."""
        import psycopg

        dsn = self.url(database).replace("+psycopg", "")
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", **self._user)
        assert done.returncode == 0, done.stderr


def missing() -> str:
    """Why there can be no server here; empty if there can."""
    absent = [name for name in ("initdb", "postgres") if binary(name) is None]
    if absent:
        return f"{' and '.join(absent)} of PostgreSQL are not installed: apt-get install postgresql"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return 'psycopg is not installed: pip install -c constraints.txt -e ".[dev]"'
    return ""

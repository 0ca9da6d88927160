"""A real MLflow server over a database, which a test can kill, stop and start again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.servers.postgresql import free_port

READY_SEC = 240.0


class TrackingServer:
    """The server, its database by URL and its files in a folder.

    Args:
        database: URL of the store, which may hold a password: it goes into the environment.
        folder: of the log, and of the files unless `files` is another one.
        files: folder of the runs' files.
        n_workers: processes that answer.
        niceness: of them.
    """

    def __init__(
        self,
        database: str,
        folder: Path,
        files: Path | None = None,
        *,
        n_workers: int = 1,
        niceness: int = 0,
    ) -> None:
        self.port, self.folder, self.files = free_port(), folder, files or folder / "mlruns"
        self._database, self._n_workers, self._niceness = database, n_workers, niceness
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of its process group."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "TrackingServer":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {
            "MLFLOW_BACKEND_STORE_URI": self._database,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # Five more processes, not needed here.
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        command = [
            *("nice", "-n", str(self._niceness), sys.executable, "-m", "mlflow", "server"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", str(self._n_workers), "--artifacts-destination", str(self.files)),
        ]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )
        until = time.monotonic() + READY_SEC
        while True:
            with (
                suppress(OSError),
                urllib.request.urlopen(f"{self.uri}/health", timeout=2),
            ):
                return
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise AssertionError((self.folder / "server.log").read_text()[-3000:])
            time.sleep(0.2)

    def send(self, number: int) -> None:
        """Sends a signal to all of its processes: SIGSTOP has it take requests and never answer."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Ends all of its processes, and waits until nothing listens any more."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self.send(number)
        self._process.wait(60)
        self._process = None
        until = time.monotonic() + READY_SEC
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except ConnectionRefusedError:
                return
            except OSError:
                pass
            time.sleep(0.1)

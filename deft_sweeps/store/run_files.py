"""The files of MLflow runs: over HTTP on a server, directly in a folder beside an own database.

The database in a sweep's folder holds no path of the machine: its runs lie at
`mlflow-artifacts:/RUN/artifacts`, and whoever serves it says where that is. So a folder that was
moved or copied keeps its files.
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from deft_sweeps.store.atomic_file import write_atomically

RELATIVE = "mlflow-artifacts:/"
"""Artifact location of an experiment in a sweep's folder."""


class RunFiles:
    """Writes and reads what runs have beside their numbers.

    Args:
        client: an MlflowClient.
        folder: of the files, if the store is a sweep's own; None on a server.
    """

    def __init__(self, client: Any, folder: Path | None) -> None:
        self._client, self._folder = client, folder

    def write(self, run_id: str, name: str, content: bytes) -> None:
        """Writes a file of a run; an earlier one is replaced.

        Raises:
            OSError: it cannot be written; or whatever MLflow raises.
        """
        if self._folder is not None:
            write_atomically(self._path(self._folder, run_id, name), content, durably=False)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._client.log_artifact(run_id, str(path))

    def read(self, run_id: str, name: str) -> bytes:
        """The content of a run's file.

        Raises:
            OSError: it is missing or cannot be read; or whatever MLflow raises.
        """
        if self._folder is not None:
            return self._path(self._folder, run_id, name).read_bytes()
        if all(file.path != name for file in self._client.list_artifacts(run_id)):
            raise FileNotFoundError(f"run {run_id} has no {name}")
        with tempfile.TemporaryDirectory() as folder:
            return Path(self._client.download_artifacts(run_id, name, folder)).read_bytes()

    @staticmethod
    def _path(folder: Path, run_id: str, name: str) -> Path:
        return folder / run_id / "artifacts" / name


def forget_place(database: Path, folder_name: str) -> None:
    """Makes the locations in a sweep's own database relative: earlier versions wrote absolute ones.

    Args:
        database: file of the store.
        folder_name: of the files' folder, which the locations end with.

    Raises:
        sqlite3.Error: the database cannot be read or written.
    """
    absolute = ("file:%", f"%/{folder_name}")
    with closing(sqlite3.connect(database, timeout=30)) as file, file:
        rows = file.execute(
            "SELECT experiment_id FROM experiments"
            " WHERE artifact_location LIKE ? AND artifact_location LIKE ?",
            absolute,
        ).fetchall()
        for (experiment,) in rows:
            file.execute(
                "UPDATE runs SET artifact_uri = ? || run_uuid || '/artifacts'"
                " WHERE experiment_id = ?",
                (RELATIVE, experiment),
            )
            file.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                (RELATIVE, experiment),
            )

"""Opens an MLflow store: a SQLite file in the sweep's folder, or a server.

mlflow is imported when it is first needed: that takes seconds.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from deft_sweeps.atomic_build import build_file
from deft_sweeps.errors import StoreError
from deft_sweeps.store import database
from deft_sweeps.store.run_files import RELATIVE, forget_place
from deft_sweeps.store.secrets import short_reason
from deft_sweeps.store.sweep_dir import SweepDir

LATE_SEC = 20.0
"""How long to search for a run after the request for it failed: the server may still create it.
Less than the time for which the driver waits for news of its mirrors."""

_ENVIRONMENT = {
    # A server that is down must cost seconds, not MLflow's default of minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # MLflow repeats whatever got no answer in time, also what makes a run: a slow server would have
    # it twice. The mirror itself tries again, after it has asked what is there.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def tracking_uri(sweep: SweepDir, given_uri: str | None) -> str:
    """Where the mirror lies: as the spec asks, else MLFLOW_TRACKING_URI, else a SQLite file in the
    sweep's folder. May hold a password.
    """
    return given_uri or os.environ.get("MLFLOW_TRACKING_URI") or sweep.mlflow_url


def open_client(
    sweep: SweepDir, uri: str, on_trouble: Callable[[str], None] = lambda _: None
) -> Any:
    """An MlflowClient; a file in the sweep's folder is made if it is missing, and set aside if it
    is damaged, since the results hold it all.

    Args:
        sweep: the folder.
        uri: of the store.
        on_trouble: called with a sentence if a file was damaged, or its making was cut short.

    Raises:
        OSError: the file cannot be made; or whatever MLflow raises.
    """
    if uri != sweep.mlflow_url:
        return plain_client(uri)
    path = sweep.mlflow_path
    if is_useless(path):  # Before MLflow opens it: it would go on with the file it has open.
        database.set_database_aside(path)
        on_trouble(
            f"{path} is damaged, or its making was cut short: set aside as {path.name}.broken, and"
            " made anew from the results"
        )
    elif not path.exists() and unfinished_files(path):
        on_trouble(f"the making of {path} was cut short before: it is made anew")
    # Whole or not at all: MLflow makes its tables by many migrations, and a file in which they were
    # cut short cannot be used again.
    build_file(path, lambda unfinished: plain_client(database.sqlite_url(unfinished)))
    database.write_ahead(path)
    forget_place(path, sweep.mlflow_artifacts.name)
    return plain_client(uri)


def experiment_id(client: Any, name: str, *, is_own: bool) -> str:
    """The id of a sweep's experiment, which is made if it is missing.

    Sweeps of one name that begin at the same time share it.

    Args:
        client: an MlflowClient.
        name: of the experiment.
        is_own: whether the store is a file in the sweep's folder.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, RELATIVE if is_own else None))
        except MlflowException:  # Another sweep was quicker, or nothing else works either.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def every_run(client: Any, experiment: str, which: str) -> list[Any]:
    """Every run of an experiment that a filter lets through."""
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment], which, max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def create_run(client: Any, experiment: str, which: str, **settings: Any) -> str:
    """Creates a run that the caller has searched for in vain; returns its id.

    A server may create a run after its client has stopped waiting, and MLflow lets no client name
    a run in advance. So the run is searched for after a failure too, for LATE_SEC.

    Args:
        client: an MlflowClient.
        experiment: id of the experiment.
        which: filter that only this run passes.
        settings: of the run, as `MlflowClient.create_run` takes them.
    """
    from mlflow.exceptions import RestException

    try:
        return str(client.create_run(experiment, **settings).info.run_id)
    except RestException:  # The server's own answer: it has created nothing.
        raise
    except Exception:
        until = time.monotonic() + LATE_SEC
        while not (runs := every_run(client, experiment, which)):
            if time.monotonic() > until:
                raise
            time.sleep(1.0)
        return str(runs[0].info.run_id)


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Any of the many things that MLflow and its transports raise becomes one error, without
    secrets.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"MLflow at {where}: {short_reason(error)}") from None


def unfinished_files(path: Path) -> list[Path]:
    """What makers of a database that were killed have written of it."""
    return [file for file in path.parent.glob(f".{path.name}.*") if file.suffix != ".lock"]


def is_useless(path: Path) -> bool:
    """Whether a database is damaged, or has no run in it: its making may have been cut short, and
    nothing is lost with it.
    """
    try:
        database.check(path)
        if not path.is_file():
            return False
        with closing(sqlite3.connect(path, timeout=30)) as file:
            (n_runs,) = file.execute("SELECT count(*) FROM runs").fetchone()
        return not n_runs
    except sqlite3.Error as error:
        return database.is_damage(error) or "no such table" in str(error)


def plain_client(uri: str) -> Any:
    """An MlflowClient; a database by URL gets tables if it has none."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    # After the import, which sets a level of its own.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    from mlflow.store.db import utils

    # A database that is down is otherwise asked for two minutes, whatever the settings above say.
    utils.MAX_RETRY_COUNT = 4
    return MlflowClient(tracking_uri=uri, registry_uri=uri)

"""A sweep's YAML from an MLflow store alone, after its folder is lost."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deft_sweeps.errors import StoreError
from deft_sweeps.store.mlflow import SPEC_FILE, SPEC_FOLDER, SWEEP
from deft_sweeps.store.run_files import RunFiles
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.tracking_client import every_run, plain_client, plain_errors


@dataclass(frozen=True, slots=True)
class RecoveredSpec:
    """What the tracker has of a sweep's YAML.

    Attributes:
        text: the YAML as it was run, with `***` in place of secrets.
        folder: that the relative paths in it started from.
        sweep_id: of the sweep on the server; its name in a store of its own.
    """

    text: str
    folder: str
    sweep_id: str


def recover_spec(uri: str, name: str, sweep_id: str = "") -> RecoveredSpec:
    """Reads the YAML of a sweep.

    Args:
        uri: of the MLflow store: a server's, or `sqlite:///` of the file in a sweep's folder.
        name: of the sweep, and of its experiment.
        sweep_id: chooses among several sweeps of this name.

    Raises:
        StoreError: there is no such sweep, there are several, or the store cannot be used.
    """
    where, files_folder = without_secrets(uri), _own_files(uri)
    with plain_errors(where):
        client = plain_client(uri)
        experiment = client.get_experiment_by_name(name)
        runs = [] if experiment is None else every_run(client, experiment.experiment_id, "")
        parents = {run.data.tags[SWEEP]: run for run in runs if SWEEP in run.data.tags}
        if sweep_id:
            parents = {key: run for key, run in parents.items() if key == sweep_id}
        parent = _only(parents, where, name, sweep_id)
        files = RunFiles(client, files_folder)
        try:
            text = files.read(parent.info.run_id, SPEC_FILE).decode()
        except FileNotFoundError:
            raise StoreError(
                f"MLflow at {where}: the sweep {name} has no {SPEC_FILE}: an earlier version"
                " mirrored it"
            ) from None
        tags = parent.data.tags
        return RecoveredSpec(text, tags.get(SPEC_FOLDER, ""), tags[SWEEP])


def _only(parents: dict[str, Any], where: str, name: str, sweep_id: str) -> Any:
    if len(parents) == 1:
        return next(iter(parents.values()))
    if not parents:
        which = f" with the id {sweep_id}" if sweep_id else ""
        raise StoreError(f"MLflow at {where}: there is no sweep {name}{which}")
    ids = ", ".join(sorted(parents))
    raise StoreError(
        f"MLflow at {where}: {len(parents)} sweeps are named {name}: choose by --id: {ids}"
    )


def _own_files(uri: str) -> Path | None:
    """The folder of the files beside a sweep's own database; None of a server.

    Raises:
        StoreError: there is no such database, which MLflow would make.
    """
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy import make_url

    database = Path(make_url(uri).database or "")
    if not database.is_file():
        raise StoreError(f"there is no {database}")
    return SweepDir(database.parent).mlflow_artifacts

"""recover-spec: a sweep's YAML from MLflow alone."""

import os
from pathlib import Path

from deft_sweeps.cli import show
from deft_sweeps.cli.guard import say
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.store.atomic_file import write_atomically
from deft_sweeps.store.recovered_spec import recover_spec


def recover(name: str, tracking_uri: str | None, sweep_id: str, output: Path | None) -> None:
    """Print the YAML, or write it to a file that there is not yet.

    Raises:
        ConfigError: no tracker is named, or the file exists.
        StoreError: the tracker has no such sweep, several, or cannot be used.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        remedy = "name a server or sqlite:///DIR/mlflow.db, or set MLFLOW_TRACKING_URI"
        raise ConfigError([Problem("--tracking-uri", "missing", remedy)])
    if output is not None and output.exists():
        raise ConfigError([Problem(str(output), "exists already", "name another file")])
    spec = recover_spec(uri, name, sweep_id)
    if output is None:
        show.text(*spec.text.splitlines())
    else:
        write_atomically(output, spec.text.encode())
    if "***" in spec.text:
        say("passwords and tokens are left out: put yours in place of ***")
    if spec.folder:
        say(f"relative paths in it start from its own folder; they started from {spec.folder}")

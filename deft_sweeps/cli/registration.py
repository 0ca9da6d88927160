"""register: a bundle as a version of a model in MLflow's registry."""

import shlex
from pathlib import Path

from deft_sweeps.cli.guard import say
from deft_sweeps.deploy.mlflow_registry import register as register_bundle


def register(
    folder: Path,
    name: str,
    *,
    alias: str | None,
    tracking_uri: str | None,
    runtime: str = "auto",
) -> None:
    """Register the bundle, and say how it is served from there."""
    say(f"loading {folder}, then copying it to the registry")
    made = register_bundle(folder, name, alias=alias, tracking_uri=tracking_uri, runtime=runtime)
    moved = f", which the alias {made.alias} now names" if made.alias else "; no alias was moved"
    say(f"{made.name} version {made.version} is in {made.registry}{moved}")
    # Its own default port is the one where a tracking server mostly is.
    serving = ("--env-manager", "local", "--port", "8001")
    command = ["mlflow", "models", "serve", "-m", made.uri, *serving]
    say(f"next: MLFLOW_TRACKING_URI={shlex.quote(made.registry)} {shlex.join(command)}")

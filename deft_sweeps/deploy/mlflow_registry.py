"""Registers a bundle with an MLflow model registry."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

from deft_sweeps.deploy.bundle_reader import load
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.manifest_file import check_files
from deft_sweeps.deploy.predictor import Predictor
from deft_sweeps.deploy.runtimes.runtime_kinds import RUNTIMES
from deft_sweeps.deploy.text_input import example_inputs, names_of
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.store.tracking_client import plain_errors

_ARTIFACT = "bundle"
_PACKAGE = "deft-sweeps"
_CODE = Path(__file__).with_name("mlflow_model.py")

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}

SETTINGS: dict[str, Any] = {
    "runtime": "auto",
    "n_threads": None,
    "max_inputs": 10_000,
    "max_characters": 16_000_000,
}
"""`model_config` of a registered model; `mlflow.pyfunc.load_model(uri, model_config={...})`
changes it. The limits are those of one call. A registered model also has `inputs`, the keys of one
input, which decide what MLflow takes."""


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version in the registry.

    Attributes:
        name: of the registered model.
        version: number, as the registry gave it.
        alias: that was moved to it; empty if none was.
        registry: address of it, without passwords.
    """

    name: str
    version: str
    alias: str
    registry: str

    @property
    def uri(self) -> str:
        """As MLflow's commands take it."""
        return f"models:/{self.name}@{self.alias}" if self.alias else self.numbered_uri

    @property
    def numbered_uri(self) -> str:
        """The same of this version, wherever an alias goes later."""
        return f"models:/{self.name}/{self.version}"


def register(
    bundle: str | Path,
    name: str,
    *,
    alias: str | None = None,
    tracking_uri: str | None = None,
    runtime: str = "auto",
) -> RegisteredVersion:
    """Log a bundle as an MLflow model and add it to a registered model as its latest version.

    The bundle is loaded and asked once before anything is logged.

    Args:
        bundle: its folder.
        name: of the registered model, which is made if there is none.
        alias: to move to this version; None moves none.
        tracking_uri: of the server; None takes MLflow's own setting (MLFLOW_TRACKING_URI).
        runtime: that answers, as for `deft_sweeps.load`.

    Raises:
        BundleError: there is no bundle, a file of it was changed, or the runtime is not served.
        StoreError: the registry cannot be reached, or refuses.
    """
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    import mlflow

    predictor = load(bundle, runtime)
    check_files(Path(bundle), predictor.manifest)
    task = predictor.manifest.task
    examples = example_inputs(task)
    predictor.predict(examples)
    with _server(mlflow, tracking_uri) as address, plain_errors(address):
        logged = mlflow.pyfunc.log_model(
            name=predictor.manifest.name,
            python_model=str(_CODE),
            artifacts={_ARTIFACT: str(Path(bundle).resolve())},
            input_example=examples,
            pip_requirements=requirements(predictor),
            model_config=SETTINGS | {"runtime": runtime, "inputs": list(names_of(task))},
        )
        made = mlflow.register_model(logged.model_uri, name, tags=tags(predictor.manifest))
        if alias:
            mlflow.MlflowClient().set_registered_model_alias(name, alias, made.version)
    return RegisteredVersion(name, str(made.version), alias or "", address)


def tags(manifest: Manifest) -> dict[str, str]:
    """What a version's tags say of the front member; empty values are left out."""
    training, answer = manifest.training, manifest.answer
    values = {
        "sweep": manifest.name,
        "trial_id": training.trial_id,
        "threshold": f"{training.threshold:g}",
        "verdict": answer.verdict,
        "policy": answer.policy,
        "certified": str(answer.certified).lower(),
    }
    for figure in manifest.figures:  # Those of the test split come first.
        if figure.name in ("score", "activation_density"):
            values.setdefault(figure.name, f"{figure.value:.4f} ({figure.label}, {figure.where})")
    return {f"deft_sweeps.{key}": value for key, value in values.items() if value}


def requirements(predictor: Predictor) -> list[str]:
    """This package and all that answering takes, as they are installed here."""
    from packaging.requirements import Requirement
    from packaging.version import Version

    extras = {"serve", RUNTIMES[predictor.runtime.name].extra}
    if not predictor.manifest.training.config.quantization.is_none:
        extras.add("quantized")
    listed = [Requirement(line) for line in requires(_PACKAGE) or []]
    names = [
        one.name
        for one in listed
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    ]
    # Without the local part: 2.13.0+cpu is on no index.
    pinned = [f"{name}=={Version(version(name)).public}" for name in ("mlflow", *names)]
    return [f"{_PACKAGE}[{','.join(sorted(extras))}]=={version(_PACKAGE)}", *dict.fromkeys(pinned)]


@contextmanager
def _server(mlflow: Any, tracking_uri: str | None) -> Iterator[str]:
    """Point MLflow at the server inside the context, and afterwards back at the one before."""
    before = os.environ.get("MLFLOW_TRACKING_URI")  # MLflow sets it whenever it is told a server.
    if tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    try:
        yield without_secrets(mlflow.get_registry_uri())
    finally:
        if tracking_uri:
            mlflow.set_tracking_uri(before)

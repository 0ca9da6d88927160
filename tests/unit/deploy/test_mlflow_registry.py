"""A bundle in a registry: what MLflow keeps of it, loads again, and answers to other processes."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from packaging.requirements import Requirement

import deft_sweeps
from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.deploy.mlflow_registry import RegisteredVersion, register
from deft_sweeps.errors import BundleError, StoreError
from tests.cli_call import call
from tests.unit.deploy.made_bundles import CLASSES, QUESTIONS, bundle_of, tiny_sweep

TEXTS = [f"{word} plot and number {i}" for word in ("great", "awful") for i in range(75)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registered")
    bundle_of(tiny_sweep(folder, "bert"), folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local registry; MLflow puts artifacts into the working directory."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(scope="module")
def made(bundle: Path, store: str) -> RegisteredVersion:
    return register(bundle, "films", tracking_uri=store)


@contextmanager
def talking_to(store: str) -> Iterator[Any]:
    mlflow.set_tracking_uri(store)
    try:
        yield mlflow.MlflowClient()
    finally:
        mlflow.set_tracking_uri(None)


def test_it_loads_without_pickles_and_answers_as_the_bundle(
    bundle: Path, store: str, made: RegisteredVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with talking_to(store):
        model = mlflow.pyfunc.load_model(made.uri)
    texts = TEXTS[:9]
    expected = [one.as_json() for one in deft_sweeps.load(bundle).predict(texts)]
    assert model.predict(texts) == model.predict(pd.DataFrame({"text": texts})) == expected
    signature = model.metadata.signature
    assert [one.type.name for one in signature.inputs] == ["string"]
    [answer] = signature.outputs
    assert [one.name for one in answer.type.properties] == ["probabilities", "value"]
    wrong: Any
    for wrong in (
        [1, 2],
        ["a", None],
        [["a"]],
        [{"text": "a"}],
        "a",
        ["a"] * 10_001,
        ["a" * 16_000_001],
        pd.DataFrame({"text": [1, 2]}),
        pd.DataFrame({"text": ["a", None]}),
    ):
        with pytest.raises(MlflowException) as refused:
            model.predict(wrong)
        assert 400 <= refused.value.get_http_status_code() < 500


@pytest.mark.parametrize("names", [("text", "text_pair"), ("question", "context")])
def test_a_model_of_two_texts_takes_both_by_their_names(
    names: tuple[str, str], store: str, tmp_path: Path
) -> None:
    made = _pair_bundle(names, tmp_path)
    with talking_to(store):
        model = mlflow.pyfunc.load_model(register(made, names[1], tracking_uri=store).uri)
    pairs = [dict(zip(names, texts, strict=True)) for texts in pairwise(TEXTS[:4])]
    expected = [one.as_json() for one in deft_sweeps.load(made).predict(pairs)]
    assert model.predict(pairs) == model.predict(pd.DataFrame(pairs)) == expected
    (one_input,) = model.metadata.signature.inputs
    assert {one.name for one in one_input.type.properties} == set(names)
    for wrong in ({names[0]: "a"}, {names[0]: "a", names[1]: 1}, {**pairs[0], "other": "a"}, "a"):
        with pytest.raises(MlflowException) as refused:
            model.predict([wrong])
        assert 400 <= refused.value.get_http_status_code() < 500


def test_nothing_of_it_is_a_pickle_and_its_requirements_are_pinned_and_light(
    store: str, made: RegisteredVersion, tmp_path: Path
) -> None:
    with talking_to(store):
        folder = Path(mlflow.artifacts.download_artifacts(made.uri, dst_path=str(tmp_path)))
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt")]
    lines = (folder / "requirements.txt").read_text().split()
    assert all("==" in line for line in lines)
    names = {Requirement(line).name for line in lines}
    assert {"deft-sweeps", "torch", "transformers", "mlflow"} <= names
    assert not names & {"ray", "optuna", "datasets", "onnx"}


def test_tags_say_what_the_sweep_said(bundle: Path, store: str, made: RegisteredVersion) -> None:
    manifest = deft_sweeps.load(bundle).manifest
    with talking_to(store) as client:
        version = client.get_model_version(made.name, made.version)
    tags = {name.removeprefix("deft_sweeps."): value for name, value in version.tags.items()}
    assert tags["trial_id"] == manifest.training.trial_id
    assert float(tags["threshold"]) == manifest.training.threshold
    assert tags["verdict"] == manifest.answer.verdict
    figures = {one.name: one.value for one in reversed(manifest.figures)}
    for name in ("score", "activation_density"):
        assert float(tags[name].split()[0]) == pytest.approx(figures[name], abs=5e-5)


def test_an_alias_moves_only_where_it_is_asked_to(bundle: Path, store: str) -> None:
    first = call("register", bundle, "moved", "--tracking-uri", store, "--alias", "live")
    assert first.exit_code == 0, first.stderr
    assert "the alias live" in first.stderr
    second = register(bundle, "moved", tracking_uri=store)
    with talking_to(store) as client:
        assert client.get_model_version_by_alias("moved", "live").version == 1
        third = register(bundle, "moved", alias="live", tracking_uri=store)
        assert client.get_model_version_by_alias("moved", "live").version == int(third.version)
    assert (second.version, third.version) == ("2", "3")
    assert (second.uri, third.uri) == ("models:/moved/2", "models:/moved@live")


def test_mlflow_talks_to_the_server_it_talked_to_before(
    bundle: Path, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    register(bundle, "films", tracking_uri=store)
    assert not {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"} & set(os.environ)
    other = f"sqlite:///{tmp_path}/other.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    register(bundle, "films", tracking_uri=store)
    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == other
    mlflow.set_tracking_uri(None)


def test_what_cannot_be_registered_is_refused(bundle: Path, tmp_path: Path, store: str) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        register(tmp_path, "films", tracking_uri=store)
    with pytest.raises(StoreError, match="MLflow at"):
        register(bundle, "a/b:c", tracking_uri=store)
    alone = call("export", tmp_path, tmp_path / "out", "--alias", "live")
    assert (alone.exit_code, "--register" in alone.stderr) == (BAD_INPUT, True)


def _pair_bundle(names: tuple[str, str], folder: Path) -> Path:
    is_span = names == ("question", "context")
    pairs = CLASSES.replace(
        "kind: files,", "kind: files, text: text, text_pair: text, label: label,"
    )
    sweep = tiny_sweep(folder, "bert", QUESTIONS if is_span else pairs)
    bundle_of(sweep, folder / "bundle")
    return folder / "bundle"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as bound:
        return int(bound.getsockname()[1])


@contextmanager
def running(port: int, folder: Path, *command: object, **environment: str) -> Iterator[None]:
    """An MLflow command on a port, in a process group of its own that ends with the block."""
    with (folder / f"{port}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *map(str, command)],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | environment,
        )
    try:
        until = monotonic() + 240
        while not answers(port):
            assert process.poll() is None, (folder / f"{port}.log").read_text()
            assert monotonic() < until, (folder / f"{port}.log").read_text()
            sleep(0.5)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def answers(port: int) -> bool:
    with suppress(OSError):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False


def ask(port: int, body: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


@pytest.mark.slow
def test_a_real_server_registers_it_and_mlflow_serves_it_to_another_process(
    bundle: Path, tmp_path: Path
) -> None:
    registry, served = free_port(), free_port()
    uri = f"http://127.0.0.1:{registry}"
    server = (
        *("server", "--host", "127.0.0.1", "--port", registry, "--workers", 1),
        *("--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"),
        *("--artifacts-destination", tmp_path / "artifacts"),
    )
    texts = TEXTS
    predictor = deft_sweeps.load(bundle, n_threads=1)
    expected = {text: predictor.predict([text])[0].as_json() for text in texts}

    def own(number: int) -> bool:
        own_texts = texts[3 * number : 3 * number + 3]
        status, said = ask(served, json.dumps({"inputs": own_texts}).encode())
        return status == 200 and all(
            answer["value"] == expected[text]["value"]
            and answer["probabilities"] == pytest.approx(expected[text]["probabilities"], abs=1e-5)
            for answer, text in zip(said["predictions"], own_texts, strict=True)
        )

    with running(registry, tmp_path, *server):
        done = call("register", bundle, "films", "--tracking-uri", uri, "--alias", "live")
        assert done.exit_code == 0, done.stderr
        serving = ("models", "serve", "-m", "models:/films@live", "--env-manager", "local")
        environment = {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        command = (*serving, "--host", "127.0.0.1", "--port", served)
        with running(served, tmp_path, *command, **environment):
            with ThreadPoolExecutor(50) as pool:
                assert all(pool.map(own, range(50)))
            for wrong in (
                b"{",
                b"[]",
                b'{"inputs": "a"}',
                b'{"inputs": [1, true]}',
                b'{"inputs": [null]}',
                b'{"inputs": [["a"]]}',
                b'{"inputs": {"text": ["a"]}}',
                b'{"input": ["a"]}',
                b'{"dataframe_records": [{"text": 1}]}',
                json.dumps({"inputs": ["a"] * 10_001}).encode(),
                json.dumps({"inputs": ["a" * 16_000_001]}).encode(),
            ):
                status, said = ask(served, wrong)
                assert 400 <= status < 500, (status, said)

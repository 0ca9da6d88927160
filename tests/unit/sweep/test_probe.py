"""What is no cluster is told as such; tests/hosts has clusters."""

import json
import socket
from importlib.metadata import version
from platform import python_version

import pytest
import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

from deft_sweeps.errors import ConfigError
from deft_sweeps.store.secrets import without_secrets
from deft_sweeps.sweep import probe


def refusal(address: str) -> str:
    with pytest.raises(ConfigError) as error:
        probe.check(address)
    (problem,) = error.value.problems
    assert str(problem).startswith(f"--ray-address {address}: ")
    return str(problem)


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "head:ray", "head:70000", "local"])
def test_what_is_no_address_is_not_looked_for(address: str) -> None:
    assert "expected HOST:PORT or auto" in refusal(address)


def test_a_port_that_nobody_listens_on_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "nothing answers there: Connection refused" in refusal(
            f"127.0.0.1:{free.getsockname()[1]}"
        )


def test_a_server_that_is_no_ray_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ANSWER_SEC", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "answers there (give the port" in refusal(f"127.0.0.1:{server.getsockname()[1]}")


@pytest.mark.parametrize(
    "answer", ["no token", "wrong token", "disabled", "silent", "other versions"]
)
def test_no_word_of_a_refusal_is_masked_as_a_secret(
    answer: probe.Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/shared/token")
    sentence = str(probe._problem("head:6379", answer, "Ray 1.0.0 on Python 3.9.1"))
    assert without_secrets(sentence) == sentence


def test_other_versions_are_named_beside_ones_own() -> None:
    sentence = str(probe._problem("head:6379", "other versions", "Ray 1.0.0 on Python 3.9.1"))
    own = f"this process Ray {version('ray')} on Python {python_version()}"
    assert f"the cluster runs Ray 1.0.0 on Python 3.9.1, and {own}" in sentence


@pytest.mark.parametrize(
    ("written", "told_versions"),
    [
        ({"ray_version": version("ray"), "python_version": python_version()}, ""),
        ({"ray_version": "1.0.0", "python_version": "3.9.1"}, "Ray 1.0.0 on Python 3.9.1"),
        (None, ""),
    ],
)
def test_a_cluster_with_other_versions_says_which(
    written: dict[str, str] | None, told_versions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a head's own record; Ray's rule decides what is another version."""

    class Head:
        def __init__(self, address: str) -> None:
            assert address == "head:6379"

        def internal_kv_get(self, key: bytes, namespace: bytes) -> bytes | None:
            return None if written is None else json.dumps(written).encode()

    monkeypatch.setattr("ray._raylet.GcsClient", Head)
    assert probe.other_versions("head:6379") == told_versions


@pytest.mark.usefixtures("one_ray")
def test_a_cluster_of_this_environment_has_no_other_versions() -> None:
    """A real head's record: were it written elsewhere by a newer Ray, this would not say so."""
    assert probe.other_versions(ray.get_runtime_context().gcs_address) == ""
    head = GcsClient(address=ray.get_runtime_context().gcs_address)
    written = head.internal_kv_get(b"CLUSTER_METADATA", b"cluster")
    assert json.loads(written)["ray_version"] == version("ray")

"""What is no cluster is told as such; tests/hosts has clusters."""

import socket

import pytest

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


@pytest.mark.parametrize("answer", ["no token", "wrong token", "disabled", "silent"])
def test_no_word_of_a_refusal_is_masked_as_a_secret(
    answer: probe.Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/shared/token")
    sentence = str(probe._problem("head:6379", answer))
    assert without_secrets(sentence) == sentence

"""A hub that cannot be asked is told at once: closed, silent, or kept from being asked."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deft_sweeps.models import hub_reachability
from deft_sweeps.models.hub_reachability import hub_silence, hub_unasked_if_silent
from deft_sweeps.models.model_check import check_model


class _NotFound(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hub_silence.cache_clear()
    yield
    hub_silence.cache_clear()


def ask(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    return hub_silence()


def test_a_closed_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("http://127.0.0.1:9", monkeypatch) == (
        "http://127.0.0.1:9 does not answer: Connection refused"
    )
    start = time.perf_counter()
    (problem,) = check_model("someone/small")
    assert "http://127.0.0.1:9 does not answer: Connection refused" in problem
    assert time.perf_counter() - start < 10


def test_a_server_that_takes_the_call_and_is_silent(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_reachability, "_TIMEOUT_SEC", 0.3)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    start = time.perf_counter()
    assert ask(address, monkeypatch).startswith(f"{address} does not answer")
    assert address in check_model("someone/small")[0]
    assert time.perf_counter() - start < 10


def test_a_look_up_of_the_name_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(hub_reachability, "_TIMEOUT_SEC", 0.1)

    def never(*_: object, **__: object) -> None:
        ended.wait(10)
        raise OSError("no such name")

    monkeypatch.setattr("socket.getaddrinfo", never)
    assert ask("http://hub.example", monkeypatch) == "http://hub.example does not answer"
    ended.set()


def test_any_answer_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), _NotFound)
    threading.Thread(target=server.handle_request, daemon=True).start()
    assert ask(f"http://127.0.0.1:{server.server_port}", monkeypatch) == ""
    server.server_close()


def test_offline_is_not_asked_and_the_client_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in hub_silence()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub_unasked_if_silent():
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE

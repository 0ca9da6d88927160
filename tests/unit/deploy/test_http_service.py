"""A real server on loopback, asked by real sockets."""

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvicorn

from deft_sweeps.deploy.http_server import listening
from deft_sweeps.deploy.http_service import Service, ServiceLimits
from deft_sweeps.errors import DataError

TOKEN = "a token of this test"


def answer(inputs: Sequence[Any]) -> list[dict[str, Any]]:
    for one in inputs:
        if not isinstance(one, str):
            raise DataError(f"expected a text, got {one!r}")
        if one == "break":
            raise RuntimeError("a secret of the process")
    return [{"label": one.upper()} for one in inputs]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    limits = ServiceLimits(body_bytes=20_000, inputs=100)
    service = Service(answer, {"model": "an echo"}, TOKEN, limits)
    bound = listening("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(service.app(), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    yield bound.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def ask(
    port: int,
    body: bytes | None,
    *,
    token: str | None = TOKEN,
    kind: str = "application/json",
    path: str = "/invocations",
    method: str = "POST",
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_every_input_gets_its_answer_in_order(port: int) -> None:
    status, said = ask(port, json.dumps({"inputs": ["one", "zwölf", ""]}).encode())
    assert (status, said) == (
        200,
        {"predictions": [{"label": "ONE"}, {"label": "ZWÖLF"}, {"label": ""}]},
    )
    assert ask(port, b'{"inputs": []}') == (200, {"predictions": []})


def test_fifty_requests_at_once_each_get_their_own_answer(port: int) -> None:
    def one(number: int) -> bool:
        texts = [f"request {number} text {i}" for i in range(3)]
        status, said = ask(port, json.dumps({"inputs": texts}).encode())
        return status == 200 and said == {"predictions": [{"label": t.upper()} for t in texts]}

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(one, range(50)))


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        (b'{"inputs": [NaN]}', 400, "NaN"),
        (b"[" * 10_000, 400, "no JSON"),
        (b'["one"]', 422, "one key"),
        (b'{"inputs": ["one"], "params": {}}', 422, "one key"),
        (b'{"texts": ["one"]}', 422, "one key"),
        (b'{"inputs": "one"}', 422, "a list, got a text"),
        (b'{"inputs": null}', 422, "a list, got null"),
        (b'{"inputs": {"text": "one"}}', 422, "a list, got an object"),
        (b'{"inputs": [1]}', 422, "expected a text, got 1"),
        (json.dumps({"inputs": ["x"] * 101}).encode(), 413, "at most 100 inputs"),
        (json.dumps({"inputs": ["x" * 30_000]}).encode(), 413, "at most 20,000 bytes"),
    ],
)
def test_what_is_no_request_gets_a_4xx_that_says_why(
    port: int, body: bytes, status: int, says: str
) -> None:
    got, said = ask(port, body)
    assert got == status
    assert says in said["error"]


def test_without_the_token_nothing_is_told(port: int) -> None:
    body = b'{"inputs": ["one"]}'
    for token in (None, "another", "", TOKEN.upper(), "tök"):
        assert ask(port, body, token=token and token.encode().decode("latin-1"))[0] == 401
        assert ask(port, None, token=token, path="/model", method="GET")[0] == 401
    assert ask(port, None, path="/model", method="GET") == (200, {"model": "an echo"})
    assert ask(port, None, token=None, path="/ping", method="GET") == (200, {"status": "ready"})


def test_other_paths_methods_and_types_are_refused(port: int) -> None:
    assert ask(port, b"{}", kind="text/plain")[0] == 415
    assert ask(port, b"", method="GET")[0] == 405
    assert ask(port, None, path="/openapi.json", method="GET")[0] == 404


def test_an_error_of_the_model_shows_nothing_of_the_process(port: int) -> None:
    status, said = ask(port, b'{"inputs": ["break"]}')
    assert status == 500
    assert "secret" not in json.dumps(said)
    assert ask(port, b'{"inputs": ["one"]}')[0] == 200

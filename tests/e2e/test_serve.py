"""A bundle of a tiny model, served by the real command and asked from other processes."""

import http.client
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import deft_sweeps
from deft_sweeps.cli.guard import BAD_INPUT
from tests.cli_call import call
from tests.tiny import TINY_FAMILIES
from tests.unit.deploy.made_bundles import bundle_of, tiny_sweep

FAMILY = next(iter(TINY_FAMILIES))


@dataclass(frozen=True)
class Served:
    process: "subprocess.Popen[str]"
    lines: tuple[str, ...]
    port: int
    token: str

    def ask(self, body: bytes | None, path: str = "/invocations", **headers: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        kind = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        connection.request("GET" if body is None else "POST", path, body, kind | headers)
        response = connection.getresponse()
        said = response.read()
        return response.status, json.loads(said) if said else None

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


def start(bundle: Path, folder: Path, *options: str) -> Served:
    """The command in a process of its own, as soon as it is ready."""
    process = subprocess.Popen(
        [*COMMAND, "serve", str(bundle), "--port", "0", "--threads", "1", *options],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_RUNTIME_DIR": str(folder)},
    )
    assert process.stderr is not None
    lines: list[str] = []
    while not (lines and lines[-1].startswith("curl ")):
        line = process.stderr.readline()
        assert line, "".join(lines)
        lines.append(line.rstrip("\n"))
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+);? ?", lines[-2] + lines[-3])
    (key,) = (folder / "deft_sweeps").iterdir()
    return Served(process, tuple(lines), int(port), key.read_text())


COMMAND = (sys.executable, "-c", "from deft_sweeps.cli.app import main; main()")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    bundle_of(tiny_sweep(folder, FAMILY), folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="module")
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    one = start(bundle, tmp_path_factory.mktemp("runtime"))
    yield one
    if one.process.poll() is None:
        one.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def expected(bundle: Path) -> dict[str, dict[str, Any]]:
    """What each text's answer is, computed one at a time in this process."""
    predictor = deft_sweeps.load(bundle, n_threads=1)
    texts = [f"{word} plot and number {i}" for word in ("great", "awful") for i in range(75)]
    return {text: predictor.predict([text])[0].as_json() for text in texts}


def alike(said: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Up to what a batch's padding moves in float32."""
    close = pytest.approx(expected["probabilities"], abs=1e-5)
    return bool(said["value"] == expected["value"] and said["probabilities"] == close)


def test_fifty_requests_at_once_each_get_their_own_answers(
    served: Served, expected: dict[str, dict[str, Any]]
) -> None:
    texts = list(expected)
    # Distinct answers, or a mix-up could not be seen.
    assert len({round(one["probabilities"]["positive"], 5) for one in expected.values()}) > 50

    def one(number: int) -> bool:
        own = texts[3 * number : 3 * number + 3]
        status, said = served.ask(json.dumps({"inputs": own}).encode())
        answers = zip(said["predictions"], own, strict=True)
        return status == 200 and all(alike(answer, expected[text]) for answer, text in answers)

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(one, range(50)))


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_printed_line_works_when_pasted_and_shows_no_token(served: Served) -> None:
    assert not any(served.token in line for line in served.lines)
    ended = subprocess.run(["sh", "-c", served.lines[-1]], capture_output=True, text=True)
    (answer,) = json.loads(ended.stdout)["predictions"]
    assert answer["value"] in ("positive", "negative")


def test_the_token_is_in_a_file_of_the_user_alone(served: Served) -> None:
    (path,) = re.findall(r"^(.*) holds the server's token$", "\n".join(served.lines), re.M)
    assert Path(path).read_text() == served.token
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "no JSON"),
        (b'{"inputs": [NaN]}', 400, "NaN"),
        (b'{"inputs": "a text"}', 422, "a list, got a text"),
        (b'{"inputs": [1, null, ["a", "b"]]}', 422, "input 0: expected a text, got 1"),
        (b'{"inputs": [{"texts": "a"}]}', 422, "input 0: expected a text"),
        (json.dumps({"inputs": ["a"] * 513}).encode(), 413, "at most 512"),
        (json.dumps({"inputs": ["a" * (1 << 20)]}).encode(), 413, "1,048,576 bytes"),
    ],
)
def test_what_is_no_request_gets_a_4xx(served: Served, body: bytes, status: int, says: str) -> None:
    got, said = served.ask(body)
    assert (got, says in said["error"]) == (status, True)


def test_a_request_without_the_token_gets_401(served: Served) -> None:
    assert served.ask(b'{"inputs": ["a"]}', Authorization="Bearer another")[0] == 401


def test_it_says_what_is_served(served: Served, bundle: Path) -> None:
    status, said = served.ask(None, "/model")
    manifest = deft_sweeps.load(bundle).manifest
    assert status == 200
    assert said["trial_id"] == manifest.training.trial_id
    assert said["classes"] == ["negative", "positive"]
    assert said["inputs"] == ["text"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_takes_the_token_away(
    bundle: Path, tmp_path: Path, how: signal.Signals
) -> None:
    one = start(bundle, tmp_path)
    assert one.ask(b'{"inputs": ["a"]}')[0] == 200
    assert one.end(how) == 0
    assert list((tmp_path / "deft_sweeps").iterdir()) == []


def test_what_is_no_bundle_or_no_runtime_of_it_is_refused_in_a_line(
    bundle: Path, tmp_path: Path
) -> None:
    missing = call("serve", tmp_path, "--port", "0")
    assert (missing.exit_code, "is no bundle" in missing.stderr) == (BAD_INPUT, True)
    lacking = call("serve", bundle, "--port", "0", "--runtime", "onnx")
    assert (lacking.exit_code, "was not exported for" in lacking.stderr) == (BAD_INPUT, True)

"""What `serve` prints, and what it says of an address."""

import shlex
from pathlib import Path

import pytest

from deft_sweeps.cli.serving import curl_line, example_request, is_loopback, reachable
from deft_sweeps.deploy.manifest import TaskContract
from deft_sweeps.deploy.text_input import as_examples
from deft_sweeps.store.secrets import without_secrets

TASKS = [
    TaskContract(kind="classification", form="head", prompt="", metrics=("accuracy",)),
    TaskContract(
        kind="classification", form="head", prompt="", takes_pairs=True, metrics=("accuracy",)
    ),
    TaskContract(kind="span", form="head", prompt="", takes_pairs=True, metrics=("f1",)),
]


@pytest.mark.parametrize("task", TASKS)
def test_the_example_is_a_request_of_the_task(task: TaskContract) -> None:
    assert len(as_examples(task, example_request(task)["inputs"])) == 1


@pytest.mark.parametrize("file", [Path("/run/user/0/serve-1.key"), Path("/a b/it's.key"), None])
def test_the_line_survives_a_shell_and_the_masking_of_secrets(file: Path | None) -> None:
    line = curl_line("http://[::1]:80", TASKS[0], file)
    assert without_secrets(line) == line
    assert shlex.split(line)[:3] == ["curl", "-s", "http://[::1]:80/invocations"]


@pytest.mark.parametrize(
    ("host", "local", "url"),
    [
        ("127.0.0.1", True, "127.0.0.1"),
        ("127.1.2.3", True, "127.1.2.3"),
        ("localhost", True, "localhost"),
        ("::1", True, "[::1]"),
        ("0.0.0.0", False, "127.0.0.1"),
        ("::", False, "[::1]"),
        ("192.0.2.1", False, "192.0.2.1"),
        ("example.org", False, "example.org"),
    ],
)
def test_an_address_is_this_machines_alone_or_is_not(host: str, local: bool, url: str) -> None:
    assert is_loopback(host) is local
    assert reachable(host) == url

"""serve: a bundle's model over HTTP on this machine."""

import ipaddress
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from deft_sweeps.cli.guard import say
from deft_sweeps.deploy.bundle_reader import load
from deft_sweeps.deploy.http_server import TOKEN_VARIABLE, listening, token_for
from deft_sweeps.deploy.http_server import serve as answer_requests
from deft_sweeps.deploy.http_service import Service
from deft_sweeps.deploy.manifest import Manifest, TaskContract
from deft_sweeps.deploy.manifest_file import read_manifest
from deft_sweeps.deploy.predictor import Predictor
from deft_sweeps.deploy.text_input import example_inputs, names_of


def serve(folder: Path, *, host: str, port: int, runtime: str, n_threads: int | None) -> None:
    """Answer requests until the process is interrupted or terminated."""
    manifest = read_manifest(folder)
    with listening(host, port) as bound:
        port = bound.getsockname()[1]
        address = f"http://{reachable(host)}:{port}"
        if not is_loopback(host):
            say(
                f"warning: {host} is reachable from other machines, and tokens and texts travel"
                " unencrypted; put a proxy with TLS in front of it"
            )
        say(f"loading {folder}; {address} answers as soon as it is ready")
        predictor = load(folder, runtime, n_threads)
        with _token(port) as (token, path):
            _say_how(address, predictor.runtime.name, manifest, path)
            service = Service(_answers(predictor), _description(predictor), token)
            answer_requests(service, bound)
    say("stopped; every request was answered")


def example_request(task: TaskContract) -> dict[str, Any]:
    """A body for `/invocations` that a model of the task answers."""
    return {"inputs": example_inputs(task)}


def curl_line(address: str, task: TaskContract, token_file: Path | None) -> str:
    """A command for a shell that asks a server; it reads the token where that lies."""
    token = f'"$(cat {shlex.quote(str(token_file))})"' if token_file else f'"${TOKEN_VARIABLE}"'
    body = shlex.quote(json.dumps(example_request(task)))
    return (
        f"curl -s {shlex.quote(address + '/invocations')} --oauth2-bearer {token}"
        f" -H 'Content-Type: application/json' -d {body}"
    )


@contextmanager
def _token(port: int) -> Iterator[tuple[str, Path | None]]:
    """The server's token and its file, which goes when the server does."""
    token, path = token_for(port)
    try:
        yield token, path
    finally:
        with suppress(OSError):
            if path is not None and path.read_text() == token:  # Else it is a later server's.
                path.unlink()


def _answers(predictor: Predictor) -> Any:
    def answer(inputs: Sequence[Any]) -> list[dict[str, Any]]:
        return [prediction.as_json() for prediction in predictor.predict(inputs)]

    return answer


def _description(predictor: Predictor) -> dict[str, Any]:
    manifest, task = predictor.manifest, predictor.manifest.task
    return {
        "name": manifest.name,
        "trial_id": manifest.training.trial_id,
        "threshold": manifest.training.threshold,
        "verdict": manifest.answer.verdict,
        "runtime": predictor.runtime.name,
        "kind": task.kind,
        "classes": list(task.classes),
        "inputs": list(names_of(task)),
    }


def _say_how(address: str, runtime: str, manifest: Manifest, token_file: Path | None) -> None:
    where = token_file or f"the environment variable {TOKEN_VARIABLE}"
    say(
        f"ready: {manifest.name} by the runtime {runtime} on {address}; Ctrl-C ends it",
        f"{where} holds the server's token",
        curl_line(address, manifest.task, token_file),
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable(host: str) -> str:
    """The host as a URL of this machine has it."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  it is no binding
    return f"[{local}]" if ":" in local else local

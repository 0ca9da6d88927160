"""Runs a `Service` on this machine: the port, the token, the end."""

import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from deft_sweeps.cache import cache_folder
from deft_sweeps.deploy.http_service import Service
from deft_sweeps.errors import ConfigError, Problem

TOKEN_VARIABLE = "DEFT_SWEEPS_SERVE_TOKEN"  # noqa: S105  the variable's name, no secret


def listening(host: str, port: int) -> socket.socket:
    """A listening socket, made before the model is loaded, so that a port in use is told at once.

    Requests that come while the model loads wait.

    Args:
        host: an address of this machine; `127.0.0.1` serves this machine alone.
        port: 0 takes a free one.

    Raises:
        ConfigError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(
            [
                Problem(
                    "--port",
                    f"{host}:{port} cannot be bound: {error}",
                    "name another port, or 0 for a free one",
                )
            ]
        ) from None
    return bound


def token_for(port: int) -> tuple[str, Path | None]:
    """The token of a server: that of DEFT_SWEEPS_SERVE_TOKEN, or a random one.

    Args:
        port: which names the file.

    Returns:
        The token, and the file of mode 0600 that a random one was written to, since a token does
        not belong in a log; None where the environment has it.
    """
    given = os.environ.get(TOKEN_VARIABLE, "").strip()
    if given:
        return given, None
    token = secrets.token_urlsafe(32)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "deft_sweeps" if runtime else cache_folder() / "serve"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"serve-{port}.key"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token, path


def serve(service: Service, bound: socket.socket) -> None:
    """Answer requests until SIGINT or SIGTERM. Requests under way are finished, then it returns."""
    config = uvicorn.Config(
        service.app(),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
        lifespan="off",
    )
    with _signals_ignored():
        uvicorn.Server(config).run(sockets=[bound])


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM outside of uvicorn, which handles both, and after it has stopped
    raises them again for the handlers that stood before.
    """
    ended_by = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, lambda *_: None) for one in ended_by}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

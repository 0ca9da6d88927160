"""Asks a Ray cluster whether it accepts this process, before Ray does.

Ray itself waits 20 s or more before it reports a refusal or an address without a cluster. The
question is put by a process of its own, `python -m deft_sweeps.sweep.probe HOST:PORT`, since Ray's
client can neither be stopped nor be kept from aborting. It prints a line when its imports are done,
then an Answer, and the versions of the cluster's Ray and Python if they are others.
"""

import json
import os
import socket
import subprocess
import sys
from importlib.metadata import version
from platform import python_version
from threading import Timer
from typing import Literal, cast, get_args

from deft_sweeps.errors import ConfigError, Problem

CONNECT_SEC = 5.0
ANSWER_SEC = 10.0

Answer = Literal["open", "token", "no token", "wrong token", "disabled", "silent", "other versions"]
"""`open`: no token is demanded; `token`: this process has the one that is; `disabled`: one is
demanded and RAY_AUTH_MODE forbids to send it; `silent`: no answer, or none of Ray's;
`other versions`: of Ray or Python, with which Ray refuses to attach."""


def check(address: str) -> tuple[str, bool]:
    """Check that a cluster answers at the address and accepts this process.

    Args:
        address: HOST:PORT, or `auto` for the cluster of this machine.

    Returns:
        HOST:PORT, and whether the cluster demands a token.

    Raises:
        ConfigError: nothing answers there, or the cluster refuses this process.
    """
    resolved = _resolved(address)
    _connect(resolved)
    answer, versions = _ask(resolved)
    if answer not in ("open", "token"):
        raise ConfigError([_problem(resolved, answer, versions)])
    return resolved, answer == "token"


def probe(address: str) -> Answer:
    """Connect without a token, then with the one that the environment or the home folder holds."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    mode = os.environ.pop("RAY_AUTH_MODE", "").lower()
    has_token = bool(AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True))
    if mode == "token" and not has_token:
        return "no token"  # Ray would not start without one, whatever the cluster demands.
    Config.initialize("")
    if _accepts(address):
        return "open"
    if mode == "disabled":
        return "disabled"
    if not has_token:
        return "no token"
    os.environ["RAY_AUTH_MODE"] = "token"
    Config.initialize("")
    return "token" if _accepts(address) else "wrong token"


def _accepts(address: str) -> bool:
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
    from ray.exceptions import AuthenticationError

    try:
        GcsClient(address=address)
    except AuthenticationError:
        return False
    return True


def _resolved(address: str) -> str:
    if address != "auto":
        return address
    from ray._private import services

    try:
        resolved = services.canonicalize_bootstrap_address(address)
    except ConnectionError:
        resolved = None
    if resolved is None:
        what = "no Ray runs on this machine"
        raise ConfigError([Problem(_where(address), what, "start one, or give HOST:PORT")])
    return str(resolved)


def _connect(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        what = "is no address; expected HOST:PORT or auto"
        raise ConfigError([Problem(_where(address), what, "Ray's default port is 6379")])
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SEC).close()
    except OSError as error:
        what = f"nothing answers there: {error.strerror or error}"
        remedy = "start Ray on the head first: ray start --head --port 6379"
        raise ConfigError([Problem(_where(address), what, remedy)]) from error


def other_versions(address: str) -> str:
    """Versions of the cluster's Ray and Python; empty if this process may attach with its own."""
    from ray._private.ray_constants import KV_NAMESPACE_CLUSTER
    from ray._private.utils import check_version_info
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

    head = GcsClient(address=address)
    written = head.internal_kv_get(b"CLUSTER_METADATA", KV_NAMESPACE_CLUSTER)
    if not written:
        return ""
    metadata = json.loads(written)
    try:
        check_version_info(metadata, "")
    except RuntimeError:
        return f"Ray {metadata['ray_version']} on Python {metadata['python_version']}"
    return ""


def _ask(address: str) -> tuple[Answer, str]:
    """The answer, and the versions of the cluster if they are others."""
    command = [sys.executable, "-m", "deft_sweeps.sweep.probe", address]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as child:
        lines = iter(child.stdout or ())
        next(lines, "")  # On a busy machine the imports take as long as they take.
        timer = Timer(ANSWER_SEC, child.kill)
        timer.start()
        answer, versions = next(lines, "").strip(), next(lines, "").strip()
        timer.cancel()
    return (cast(Answer, answer) if answer in get_args(Answer) else "silent"), versions


# The word before a secret masks what follows it, so no message says `token` in its midst.
def _problem(address: str, answer: Answer, versions: str = "") -> Problem:
    remedy = "set RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN as on its nodes"
    match answer:
        case "no token":
            what = "the cluster demands credentials, and there are none here"
        case "wrong token":
            what = f"the cluster refuses the credentials in {_credentials()}"
        case "disabled":
            what = "the cluster demands credentials, which RAY_AUTH_MODE=disabled withholds"
            remedy = f"unset it, and {remedy}"
        case "other versions":
            what = (
                f"the cluster runs {versions}, and this process Ray {version('ray')} on Python"
                f" {python_version()}"
            )
            remedy = "install the same versions on every machine"
        case _:
            what = f"no Ray {version('ray')} answers there"
            remedy = "give the port of the head's `ray start --head --port`, 6379 by default"
    return Problem(_where(address), what, remedy)


def _credentials() -> str:
    """Where Ray takes the token from: the first of these that is set."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_TOKEN"
    if os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return "the file of RAY_AUTH_TOKEN_PATH"
    return "~/.ray/auth_token"


def _where(address: str) -> str:
    return f"--ray-address {address}"


def main() -> None:
    """The process that asks."""
    import ray._raylet  # noqa: F401

    print("ready", flush=True)
    try:
        answer = probe(sys.argv[1])
        versions = other_versions(sys.argv[1]) if answer in ("open", "token") else ""
        print("other versions" if versions else answer, versions, sep="\n", flush=True)
    except Exception:  # Whatever else Ray raises, there is no cluster to use.
        print("silent", flush=True)


if __name__ == "__main__":
    main()

"""Asks a Ray cluster whether it accepts this process: `python -m deft_sweeps.sweep.probe HOST:PORT`.

Prints a line when its imports are done, then an Answer. Ray's client may hang or abort the process,
so this is never called in the driver's.
"""

import os
import sys
from typing import Literal

Answer = Literal["open", "token", "no token", "wrong token", "disabled", "silent"]
"""`open`: no token is demanded; `token`: this process has the one that is; `disabled`: a token is
demanded and RAY_AUTH_MODE forbids to send one; `silent`: no answer, or none of Ray's."""


def probe(address: str) -> Answer:
    """Connect without a token, then with the one that the environment or the home folder holds."""
    from ray._raylet import AuthenticationTokenLoader, Config

    mode = os.environ.pop("RAY_AUTH_MODE", "").lower()
    has_token = AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
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
    from ray._raylet import GcsClient
    from ray.exceptions import AuthenticationError

    try:
        GcsClient(address=address)
    except AuthenticationError:
        return False
    return True


def main() -> None:
    """See the module."""
    import ray._raylet  # noqa: F401

    print("ready", flush=True)
    try:
        print(probe(sys.argv[1]), flush=True)
    except Exception:  # Whatever else Ray raises, there is no cluster to use.
        print("silent", flush=True)


if __name__ == "__main__":
    main()

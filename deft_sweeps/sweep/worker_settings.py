"""Settings of the driver's environment that its workers need on other machines.

They travel as an argument, through Ray's object store, and not in Ray's runtime environment: that
one is written to the log files of each node and shown to everybody who lists actors or tasks.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ray import cloudpickle

_FOLDERS = (
    "DEFT_SWEEPS_CACHE",
    "DEFT_SWEEPS_BASES",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_DATASETS_CACHE",
)
_OTHERS = ("DEFT_SWEEPS_BASES_LIMIT", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN")


@dataclass(frozen=True, slots=True)
class ShippedCall:
    """A call that a worker makes once it has the driver's settings.

    The function and its arguments are unpickled after the settings are there, since libraries read
    them when they are imported.

    Attributes:
        settings: environment variables, which may be secret.
        payload: the function and its arguments, pickled.
    """

    settings: Mapping[str, str] = field(repr=False)
    payload: bytes = field(repr=False)

    def unpacked(self) -> Callable[[], Any]:
        """Apply the settings to this process, then unpickle the call; whoever calls it makes it."""
        os.environ.update(self.settings)
        function, arguments = cloudpickle.loads(self.payload)
        return partial(function, *arguments)


def shipped(function: Callable[..., Any], *arguments: object) -> ShippedCall:
    """A call to be made in a worker, with this process's settings."""
    return ShippedCall(worker_settings(), cloudpickle.dumps((function, arguments)))


def worker_settings() -> dict[str, str]:
    """Those environment variables of this process that workers need; folders in full."""
    folders = {
        name: os.path.abspath(os.path.expanduser(os.environ[name]))
        for name in _FOLDERS
        if os.environ.get(name)
    }
    return folders | {name: os.environ[name] for name in _OTHERS if os.environ.get(name)}


def call(shipped_call: ShippedCall) -> Any:
    """Make the call; for a task of Ray."""
    return shipped_call.unpacked()()

"""Asks a module of this package something in a process of its own, so that this one need not load
the libraries that answer.
"""

import json
import os
import subprocess
import sys
from typing import Any


class ProbeError(OSError):
    """The process ended without an answer."""


def answer_of(module: str, question: str, timeout_sec: float) -> Any:
    """What a module answers when it is run with a question on stdin.

    Args:
        module: its full name; it prints its answer as the last line, in JSON.
        question: JSON.
        timeout_sec: for start-up, imports and answer.

    Raises:
        ProbeError: it failed or took longer; the message is the last line of its stderr.
    """
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=question,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_sec,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise ProbeError(f"it took longer than {timeout_sec:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ProbeError(lines[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])

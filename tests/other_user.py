"""Runs a piece of Python as another user of the machine, to see what that user can reach."""

import os
import subprocess
import sys
import textwrap

import pytest

NOBODY = 65534

# The imports come first: the checkout and its environment may lie in a folder closed to others.
_BECOME_NOBODY = f"""
import os
os.chdir("/")
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
"""


def require_root() -> None:
    """Skips a test that has to become another user; in CI, where root runs it, fails instead."""
    if os.geteuid() != 0:
        reason = "needs root, to become another user"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def as_nobody(imports: str, script: str, *, environment: dict[str, str] | None = None) -> str:
    """Returns what `script` prints as user `nobody` in an environment of its own.

    Args:
        imports: run before the change of user.
        script: run after it.
        environment: beyond a path and a home that does not exist.
    """
    completed = subprocess.run(
        [sys.executable, "-c", f"{imports}\n{_BECOME_NOBODY}\n{textwrap.dedent(script)}"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.strip()

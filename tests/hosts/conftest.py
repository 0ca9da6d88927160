"""Hosts for the tests of this folder, or the reason why there are none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.machines import Machines, missing


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that every host sees under the same path."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def machines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared: Path
) -> Iterator[Machines]:
    """A network for hosts. Outside CI, a user without root may go without, and so may the gate."""
    reason, is_gate = missing(), request.node.get_closest_marker("hosts") is None
    if reason and (os.geteuid() != 0 or is_gate) and not os.environ.get("CI"):
        pytest.skip(reason)
    if reason:
        pytest.fail(reason)
    with Machines(tmp_path_factory.mktemp("machines"), shared) as network:
        yield network

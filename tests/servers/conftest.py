"""PostgreSQL, and an MLflow server on it, or the reason why there are none."""

import os
from collections.abc import Iterator

import pytest

from tests.servers.postgresql import PostgreSQL, missing
from tests.servers.tracking_server import TrackingServer


@pytest.fixture(scope="session")
def database() -> Iterator[PostgreSQL]:
    """A PostgreSQL. Only outside CI may a machine go without."""
    reason = missing()
    if reason and not os.environ.get("CI"):
        pytest.skip(reason)
    if reason:
        pytest.fail(reason)
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def tracker(
    database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingServer]:
    """An MLflow server on it, which every test leaves up."""
    with TrackingServer(database.url(), tmp_path_factory.mktemp("tracker")) as server:
        yield server

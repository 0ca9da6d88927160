"""What every test shares: a cache folder of the session's own, no hub, quiet bars."""

import os
import shutil
from collections.abc import Iterator

import pytest

# Read by the hub's client when it is imported; worker processes inherit it.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The packaged checkpoint and task are converted at most once a session, away from the user's cache."""
    if "DEFT_SWEEPS_CACHE" in os.environ:
        yield
        return
    folder = tmp_path_factory.mktemp("cache")
    os.environ["DEFT_SWEEPS_CACHE"] = str(folder)
    yield
    del os.environ["DEFT_SWEEPS_CACHE"]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def packaged_model() -> str:
    """Name of the checkpoint that comes with a Python package."""
    return "packaged/flan-t5-small-title"

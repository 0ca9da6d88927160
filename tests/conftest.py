"""What every test shares: a cache folder of the session's own, no hub, quiet bars."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from deft_sweeps.config.trial import TrialConfig

# Read by the hub's client when it is imported; worker processes inherit it.
os.environ["HF_HUB_OFFLINE"] = "1"
# Processes of tests share the machine; where torch is given more threads than cores, each waits
# for the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray makes way for every other process; beside other processes of tests, a sweep of some seconds
# then took minutes.
os.environ.setdefault("RAY_worker_niceness", "0")

# A test is about what is true, not about how long a busy machine takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The packaged checkpoint and task are converted at most once a session, away from the user's
    cache.
    """
    if "DEFT_SWEEPS_CACHE" in os.environ:
        yield
        return
    folder = tmp_path_factory.mktemp("cache")
    os.environ["DEFT_SWEEPS_CACHE"] = str(folder)
    yield
    del os.environ["DEFT_SWEEPS_CACHE"]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """What computes with all cores, an export say, leaves no test after it with so many threads."""
    yield
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


class SharedRay:
    """One Ray for all tests that only run sweeps on one: it takes seconds to start."""

    def __init__(self) -> None:
        self._up: ExitStack | None = None

    def start(self) -> None:
        from deft_sweeps.specification.search_settings import Budget
        from deft_sweeps.sweep.local_ray import ray_session

        if self._up is None:
            starting = ExitStack()
            starting.enter_context(ray_session(Budget(trials=1), n_cpus=2))
            self._up = starting

    def stop(self) -> None:
        if self._up is not None:
            self._up.close()
            self._up = None


@pytest.fixture(scope="session")
def shared_ray() -> Iterator[SharedRay]:
    ray = SharedRay()
    yield ray
    ray.stop()


@pytest.fixture
def one_ray(shared_ray: SharedRay) -> None:
    """A Ray of 2 cores that is up, and stays."""
    shared_ray.start()


@pytest.fixture
def own_ray(shared_ray: SharedRay) -> None:
    """For a test that starts Ray itself."""
    shared_ray.stop()


@pytest.fixture(scope="session")
def packaged_model() -> str:
    """Name of the checkpoint that comes with a Python package."""
    return "packaged/flan-t5-small-title"


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> "TrialConfig":
    """A configuration that trains in milliseconds a step: a tiny model of the real architecture, a
    few lines of labelled text.
    """
    from deft_sweeps.config.data import FileTask, Splits
    from deft_sweeps.config.trial import TrialConfig
    from tests.tiny import save_tiny, write_reviews

    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder / "model", packaged_model)
    path = write_reviews(folder / "reviews.csv")
    splits = Splits(validation=20, test=20)
    return TrialConfig(
        model=str(folder / "model"),
        task=FileTask(path=str(path), max_input_tokens=16, splits=splits),
        dtype="fp32",
    )

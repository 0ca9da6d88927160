"""What Ray gives trials that ask for GPUs, on a machine whose GPUs are only claimed."""

import os
from collections.abc import Iterator

import pytest
import ray

SLICES = ("MIG-6b2e7a2c-0000-0000-0000-000000000001", "MIG-6b2e7a2c-0000-0000-0000-000000000002")
"""Two parts of one GPU, which have no numbers but UUIDs."""


@pytest.fixture
def sliced_gpu(own_ray: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(SLICES))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        num_cpus=4,
        num_gpus=2,
        include_dashboard=False,
        logging_level="CRITICAL",
        log_to_driver=False,
    )
    yield
    ray.shutdown()


class Worker:
    """Holds its share of a GPU for as long as it lives."""

    def visible(self) -> str:
        return os.environ["CUDA_VISIBLE_DEVICES"]


def test_trials_that_share_gpus_see_one_slice_each(sliced_gpu: None) -> None:
    half = ray.remote(num_gpus=0.5, num_cpus=0)(Worker)
    workers = [half.remote() for _ in range(4)]
    visible = ray.get([worker.visible.remote() for worker in workers])
    assert sorted(visible) == sorted(SLICES * 2)

"""What Ray gives trials that ask for GPUs, on a machine whose GPUs are only claimed."""

import os
import subprocess
import sys

SLICES = ("MIG-6b2e7a2c-0000-0000-0000-000000000001", "MIG-6b2e7a2c-0000-0000-0000-000000000002")
"""Two parts of one GPU, which have no numbers but UUIDs."""
SCRIPT = """
import os
import ray

class Worker:
    def visible(self):
        return os.environ["CUDA_VISIBLE_DEVICES"]

ray.init(num_cpus=4, num_gpus=2, include_dashboard=False, logging_level="CRITICAL")
half = ray.remote(num_gpus=0.5, num_cpus=0)(Worker)
workers = [half.remote() for _ in range(4)]  # Each holds its share for as long as it lives.
for name in ray.get([worker.visible.remote() for worker in workers]):
    print(name)
ray.shutdown()
"""


def test_trials_that_share_gpus_see_one_slice_each() -> None:
    settings = {
        "CUDA_VISIBLE_DEVICES": ",".join(SLICES),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(SLICES * 2)

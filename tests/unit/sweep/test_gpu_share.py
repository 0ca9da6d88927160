"""What Ray gives trials that ask for GPUs, on a machine whose GPUs are only claimed."""

import os
import subprocess
import sys
from pathlib import Path

from deft_sweeps.projection.memory_fit import largest_trial
from tests.fakes import fake_gpu_driver, fake_spec

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


AUTOMATIC = """
import time
from pathlib import Path
import ray
from ray.util.placement_group import placement_group, placement_group_table
from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.sweep.automatic_gpus import with_automatic_gpus
from deft_sweeps.sweep.local_ray import Session
from tests.fakes import fake_spec

ray.init(num_cpus=64, num_gpus=2, include_dashboard=False, logging_level="CRITICAL")
spec = with_automatic_gpus(fake_spec(), Session(Path(), None, "auto"), print)
requests = [placement_group([trial_needs(spec)]) for _ in range(64)]
for _ in range(100):
    time.sleep(0.1)
    states = [placement_group_table(request)["state"] for request in requests]
    if states[-1] == "PENDING" and states.count("CREATED") == 2 * round(1 / spec.budget.gpu_share):
        break
print(spec.budget.gpu_share, states.count("CREATED"))
ray.shutdown()
"""


def run(script: str, **settings: str) -> str:
    """The output of a script whose Ray is a process's own."""
    own = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | own | settings,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_trials_that_share_gpus_see_one_slice_each() -> None:
    output = run(SCRIPT, CUDA_VISIBLE_DEVICES=",".join(SLICES))
    assert sorted(output.split()) == sorted(SLICES * 2)


def test_an_unset_share_is_an_equal_part_that_ray_gives_so_many_times(tmp_path: Path) -> None:
    """A GPU that holds seven trials, with what is left free of it."""
    trial = largest_trial(fake_spec(), on_gpu=True)
    assert trial is not None
    mebibytes = int(7.5 * trial.n_bytes / 0.95 / 2**20)
    fake_gpu_driver(tmp_path, f"{mebibytes}, Disabled\n{mebibytes}, Disabled\n")
    output = run(AUTOMATIC, PATH=f"{tmp_path}:{os.environ['PATH']}")
    sentence, figures = output.splitlines()
    assert sentence == (
        "each trial runs on 1/7 of a GPU, by projected memory: budget.gpus_per_trial is not set;"
        " 0 means CPUs"
    )
    assert figures == f"{1 / 7} 14"

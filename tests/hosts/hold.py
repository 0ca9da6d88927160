"""Holds the core of a cluster's head: `python -m tests.hosts.hold HOST:PORT FILE`.

FILE says that it is held; it is given back once FILE is removed.
"""

import sys
import time
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.sweep.local_ray import ray_session


def wait_for_end(path: str) -> None:
    """Keep the core of a node until the file is gone."""
    Path(path).touch()
    while Path(path).exists():
        time.sleep(0.2)


def main() -> None:
    """Hold the head's core: it is the only sound node of the tests."""
    address, path = sys.argv[1:]
    with ray_session(Budget(trials=1), address=address):
        here = ray.get_runtime_context().get_node_id()
        on_head = NodeAffinitySchedulingStrategy(here, soft=False)
        hold = ray.remote(num_cpus=1)(wait_for_end)
        ray.get(hold.options(scheduling_strategy=on_head).remote(path))


if __name__ == "__main__":
    main()

"""Attaches to a cluster as a sweep does: `python -m tests.hosts.attach HOST:PORT`.

Prints the name of each host on which a task ran.
"""

import socket
import sys

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from deft_sweeps.cli.guard import guarded
from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.sweep.local_ray import ray_session


def host_name() -> str:
    """Of the host that the task runs on."""
    return socket.gethostname()


@guarded
def main() -> None:
    """Run a task on each node."""
    with ray_session(Budget(trials=1), address=sys.argv[1]):
        name = ray.remote(host_name)
        nodes = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in ray.nodes()]
        tasks = [name.options(scheduling_strategy=node).remote() for node in nodes]
        print(*sorted(ray.get(tasks, timeout=120)))


if __name__ == "__main__":
    main()

"""How many trials a driver runs at a time, and where."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.projection.memory_fit import machine_memory, trials_in_memory
from deft_sweeps.projection.trial_request import trial_needs
from deft_sweeps.sweep.cluster import SlotCount
from deft_sweeps.sweep.cluster_node import (
    ClusterNode,
    amounts,
    grows_on_demand,
    largest,
    live_nodes,
)
from deft_sweeps.sweep.driver import Driver
from deft_sweeps.sweep.local_ray import Session
from deft_sweeps.sweep.node_watch import node_watch
from deft_sweeps.sweep.trial_placement import TrialPlacement

_SETTINGS = {
    "CPU": "budget.cpus_per_trial",
    "GPU": "budget.gpus_per_trial",
    "memory": "training.batch_size",
}
"""What decides how much of each resource a trial needs."""


@dataclass(frozen=True, slots=True)
class TrialSlots:
    """Room for trials.

    Attributes:
        resources: that Ray Tune requests for a trial.
        allowed: trials that may be under way at a time from now on.
        all_fit: whether so many trials under way have a slot each.
        n_waiting: trials under way that wait for resources.
        marker: path of a file that a worker must see; empty if it need not.
    """

    resources: Any
    allowed: Callable[[], int]
    all_fit: Callable[[int], bool] = lambda _: False
    n_waiting: Callable[[], int] = lambda: 0
    marker: str = ""


@contextmanager
def trial_slots(driver: Driver, session: Session) -> Iterator[TrialSlots]:
    """Slots of the Ray that is up, once its nodes are checked.

    Raises:
        ConfigError: no node of a cluster can run a trial.
    """
    if session.address is None:
        budget = driver.spec.budget
        needs = {"cpu": budget.cpus_per_trial, "gpu": budget.gpus_per_trial}
        yield TrialSlots(needs, _local_slots(driver, session.slots))
        return
    needs = trial_needs(driver.spec)
    check_fit(live_nodes(), needs, session.where)
    with node_watch(
        driver.sweep.root.resolve(),
        is_candidate=lambda node: node.slots(needs) > 0,
        warn=driver.warn,
    ) as watch:
        watch.require(session.where)
        count = SlotCount(needs, watch.nodes)
        placement = TrialPlacement(needs, watch.excluded)
        yield TrialSlots(
            placement,
            _cluster_slots(driver, count),
            all_fit=lambda n_running: n_running <= count(),
            n_waiting=placement.n_waiting,
            marker=str(watch.marker),
        )


def check_fit(nodes: Sequence[ClusterNode], needs: Mapping[str, float], where: str) -> None:
    """Refuse a cluster without a node that a trial fits on, unless the cluster grows on demand.

    Args:
        nodes: of the cluster.
        needs: of a trial, by Ray's names.
        where: of the cluster, for the message.

    Raises:
        ConfigError: with what a trial needs and what the largest node has.
    """
    if any(node.slots(needs) for node in nodes) or grows_on_demand():
        return
    node = largest(nodes, needs)
    if node is None:
        raise ConfigError([Problem(where, "the cluster has no node", "start Ray on some")])
    has = {name: node.resources.get(name, 0.0) for name in needs}
    which = "its only node" if len(nodes) == 1 else f"the largest of its {len(nodes)} nodes"
    what = f"no trial fits: one needs {amounts(needs)}, and {which}, {node}, has {amounts(has)}"
    lacking = [_SETTINGS[name] for name, need in needs.items() if has[name] < need]
    raise ConfigError([Problem(where, what, f"lower {' and '.join(lacking)}, or add a node")])


def _local_slots(driver: Driver, n_slots: int | None) -> Callable[[], int]:
    """Trials at a time on this machine: as many as its cores, its memory and the budget allow."""
    fits = trials_in_memory(driver.spec, machine_memory())
    wanted = min(n for n in (driver.spec.budget.concurrency, n_slots) if n is not None)
    if fits is None or fits >= wanted:
        return lambda: wanted
    driver.warn(f"{fits} trials at a time: memory has no room for more (projected)")
    return lambda: fits


def _cluster_slots(driver: Driver, count: SlotCount) -> Callable[[], int]:
    """Trials at a time on a cluster, whose nodes come and go.

    The budget's concurrency is taken as it is: a cluster that grows on demand only grows for
    trials that wait.
    """

    def slots() -> int:
        n_slots = count()
        if n_slots == 0:
            driver.warn(
                f"no node of the cluster can take a trial, which needs {amounts(count.needs)}; the"
                " sweep waits for one that can"
            )
        return driver.spec.budget.concurrency or max(1, n_slots)

    return slots

"""How many trials a driver runs at a time, and where."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.projection.memory_fit import machine_memory, trials_in_memory
from deft_sweeps.projection.trial_request import least_gpu_bytes, ray_needs, trial_needs
from deft_sweeps.sweep.cluster import SlotCount
from deft_sweeps.sweep.cluster_node import (
    ClusterNode,
    amounts,
    grows_on_demand,
    largest,
    live_nodes,
)
from deft_sweeps.sweep.driver import Driver
from deft_sweeps.sweep.learned_memory import LearnedMemory
from deft_sweeps.sweep.local_ray import Session
from deft_sweeps.sweep.node_watch import node_watch
from deft_sweeps.sweep.trial_shares import TrialShares
from deft_sweeps.units import count

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
        allowed: trials that may be under way at a time from now on.
        all_fit: whether so many trials under way have a slot each.
        shares: what each trial requests.
        n_waiting: trials under way that wait for resources.
        marker: path of a file that a worker must see; empty if it need not.
    """

    shares: TrialShares
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
        yield _on_this_machine(driver, session.slots)
        return
    needs = trial_needs(driver.spec)
    check_fit(live_nodes(), needs, session.where)
    with node_watch(
        driver.sweep.root.resolve(),
        is_candidate=lambda node: node.slots(needs) > 0,
        least_gpu_bytes=least_gpu_bytes(driver.spec),
        warn=driver.warn,
    ) as watch:
        watch.require(session.where)
        slot_count = SlotCount(needs, watch.nodes)
        shares = TrialShares(
            needs,
            LearnedMemory(driver.spec, driver.results),
            lambda: [node.resources for node in slot_count.nodes],
            warn=driver.warn,
            excluded=watch.excluded,
            gpu_bytes=lambda: [size for size in watch.gpu_bytes() if size is not None],
        )
        yield TrialSlots(
            shares,
            _with_room_for_larger(shares, _cluster_slots(driver, slot_count)),
            all_fit=lambda n_running: n_running <= slot_count(),
            n_waiting=shares.n_waiting,
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


def _on_this_machine(driver: Driver, n_slots: int | None) -> TrialSlots:
    """As many trials at a time as cores, memory and budget allow."""
    spec, memory = driver.spec, machine_memory()
    wanted = min(n for n in (spec.budget.concurrency, n_slots) if n is not None)
    fits = trials_in_memory(spec, memory)
    fits = wanted if fits is None else min(wanted, fits)
    if fits < wanted:
        driver.warn(f"{count(fits, 'trial')} at a time: memory has no room for more (projected)")
    budget = spec.budget
    shares = TrialShares(
        ray_needs({"cpu": budget.cpus_per_trial, "gpu": budget.gpu_share}),
        LearnedMemory(spec, driver.results),
        lambda: [ray.cluster_resources()],
        warn=driver.warn,
        memory_bytes=None if memory is None else (memory.total, fits),
    )

    def slots() -> int:
        n_bytes = shares.largest_bytes()
        if memory is None or n_bytes is None or budget.gpu_share > 0:
            return fits
        n_fit = max(1, min(fits, memory.available // n_bytes))
        if n_fit < fits:
            at_a_time = f"{count(n_fit, 'trial')} at a time"
            driver.warn(f"{at_a_time}: memory has no room for more (measured)")
        return n_fit

    return TrialSlots(shares, _with_room_for_larger(shares, slots))


def _with_room_for_larger(shares: TrialShares, slots: Callable[[], int]) -> Callable[[], int]:
    """No slots while a larger request waits."""
    return lambda: 0 if shares.larger_waits() else slots()


def _cluster_slots(driver: Driver, slot_count: SlotCount) -> Callable[[], int]:
    """Trials at a time on a cluster, whose nodes come and go.

    The budget's concurrency is taken as it is: a cluster that grows on demand only grows for
    trials that wait.
    """

    def slots() -> int:
        n_slots = slot_count()
        if n_slots == 0:
            driver.warn(
                "no node of the cluster can take a trial, which needs"
                f" {amounts(slot_count.needs)}; the sweep waits for one that can"
            )
        return driver.spec.budget.concurrency or max(1, n_slots)

    return slots

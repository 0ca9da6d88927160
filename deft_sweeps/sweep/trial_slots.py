"""How many trials a driver runs at a time."""

from collections.abc import Callable

from deft_sweeps.projection.memory_fit import machine_memory, trials_in_memory
from deft_sweeps.sweep.cluster import SlotCount
from deft_sweeps.sweep.driver import Driver


def local_slots(driver: Driver, n_slots: int) -> Callable[[], int]:
    """Trials at a time on this machine: as many as its cores, its memory and the budget allow."""
    fits = trials_in_memory(driver.spec, machine_memory())
    wanted = min(n for n in (driver.spec.budget.concurrency, n_slots) if n is not None)
    if fits is None or fits >= wanted:
        return lambda: wanted
    driver.warn(f"{fits} trials at a time: memory has no room for more (projected)")
    return lambda: fits


def cluster_slots(driver: Driver, count: SlotCount) -> Callable[[], int]:
    """Trials at a time on a cluster, whose nodes come and go.

    The budget's concurrency is taken as it is: a cluster that grows on demand only grows for
    trials that wait.
    """

    def slots() -> int:
        n_slots = count()
        if n_slots == 0:
            driver.warn(
                f"no node of the cluster is large enough for a trial, which needs {count.needs};"
                " the sweep waits for one that is"
            )
        return driver.spec.budget.concurrency or max(1, n_slots)

    return slots

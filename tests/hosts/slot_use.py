"""How much of a cluster a sweep uses: `python -m tests.hosts.slot_use [TRIALS [SEC [HOSTS]]]`.

Trials only sleep, SEC each, and the number of trials at a time is left to the cluster. A host joins
halfway.
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes import N_STEPS
from tests.hosts.drive import spans
from tests.hosts.machines import Machines, ended, temporary_machines
from tests.hosts.ray_cluster import RayCluster, Trait, wait_until

WARM_UP_SEC = 40.0
"""After the driver's start, until the slots must be busy."""
CPUS_PER_HOST = 4


@dataclass(frozen=True, slots=True)
class Span:
    """A trial on a host, in seconds since the epoch."""

    host: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class SlotUse:
    """What a sweep made of its cluster.

    Attributes:
        busy_share: of the slots' time from the end of the warm-up to the last trial's start.
        first_sec: from the driver's start to the first trial's.
        full_sec: from the driver's start to the first moment at which every slot was busy; infinite
            if that never was.
        joined_sec: from the join of the late host to its first trial; infinite if it had none.
        whole_sec: of the sweep.
    """

    busy_share: float
    first_sec: float
    full_sec: float
    joined_sec: float
    whole_sec: float


def spans_of(root: Path) -> list[Span]:
    """Trials of the sweep in `root` that have ended."""
    return [Span(*span) for span in spans(root)]


def busy_share(trials: Sequence[Span], n_slots: int, begin: float, end: float) -> float:
    """Share of the time of `n_slots` slots, from `begin` to `end`, in which trials ran."""
    used = sum(max(0.0, min(span.end, end) - max(span.start, begin)) for span in trials)
    return used / (n_slots * (end - begin))


def full_at(trials: Iterable[Span], n_slots: int) -> float:
    """When `n_slots` trials ran at a time for the first time; infinite if they never did."""
    changes = [(span.start, 1) for span in trials] + [(span.end, -1) for span in trials]
    n_running = 0
    for at, change in sorted(changes):
        n_running += change
        if n_running >= n_slots:
            return at
    return float("inf")


def measure(
    machines: Machines,
    folder: Path,
    *,
    n_hosts: int,
    n_trials: int,
    trial_sec: float,
    cpus_per_host: int = CPUS_PER_HOST,
    warm_up_sec: float = WARM_UP_SEC,
) -> SlotUse:
    """Run a sweep on `n_hosts` hosts, to which another one is added halfway."""
    root, trait = folder / "use" / "sweep", Trait(n_cpus=cpus_per_host)
    root.parent.mkdir()
    cluster = RayCluster(machines, folder / "logs")
    cluster.join(*[trait] * n_hosts)
    settings = map(str, (root, cluster.address, n_trials, trial_sec / N_STEPS))
    command = ["python", "-m", "tests.hosts.drive", *settings]
    began = time.time()
    process, log, _ = cluster.begin(cluster.hosts[0], command)
    with ended(process):
        wait_until(lambda: len(spans(root)) >= n_trials // 2 or process.poll() is not None, log)
        asked_at = time.time()
        (late,) = cluster.join(trait)
        print(f"{late.name} took {time.time() - asked_at:.1f} s to join", flush=True)
        joined = time.time()
        code = process.wait(600)
    whole_sec = time.time() - began
    if code != 0:
        raise RuntimeError(log.read_text()[-3000:])
    print(*(line for line in log.read_text().splitlines() if line.startswith("driver: ")))
    trials = spans_of(root)
    early = [span for span in trials if span.host != late.name]
    n_slots = n_hosts * cpus_per_host
    last_start = max(span.start for span in early)
    return SlotUse(
        busy_share(early, n_slots, began + warm_up_sec, last_start),
        min(span.start for span in trials) - began,
        full_at(early, n_slots) - began,
        min((span.start for span in trials if span.host == late.name), default=float("inf"))
        - joined,
        whole_sec,
    )


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("trials", type=int, nargs="?", default=80)
    parser.add_argument("trial_sec", type=float, nargs="?", default=20.0)
    parser.add_argument("hosts", type=int, nargs="?", default=4)
    arguments = parser.parse_args()
    with temporary_machines() as (machines, shared):
        use = measure(
            machines,
            shared,
            n_hosts=arguments.hosts,
            n_trials=arguments.trials,
            trial_sec=arguments.trial_sec,
        )
    print(
        f"{arguments.trials} trials of {arguments.trial_sec:g} s on {arguments.hosts} hosts of"
        f" {CPUS_PER_HOST} slots: {100 * use.busy_share:.1f} % of the slots busy from"
        f" {WARM_UP_SEC:g} s after the start to the last trial's start; first trial after"
        f" {use.first_sec:.1f} s, all slots busy after {use.full_sec:.1f} s, a host that joined"
        f" was used after {use.joined_sec:.1f} s; {use.whole_sec:.0f} s in all"
    )


if __name__ == "__main__":
    main()

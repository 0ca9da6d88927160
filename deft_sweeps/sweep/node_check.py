"""Whether a node of a cluster can run trials: its facts beside the driver's own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deft_sweeps.sweep.node_facts import SHARED_MEMORY
from deft_sweeps.units import size

PACKAGE = "deft_sweeps"
LIBRARIES = ("ray", "torch", "transformers", "peft")
"""Distributions of which a node must have the driver's version."""
CLOCK_SEC = 5.0
"""Between two clocks, at most: times of trials, and of who drives a folder, are compared."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a node says of itself.

    Attributes:
        host: name of the machine.
        clock: its time, in seconds since the epoch.
        versions: of Python and of packages, by name; None is not installed.
        source: digest of this package's Python files.
        folder_problem: `absent`, `another`, or why the sweep's folder cannot be written; None if
            nobody looked.
        shared_memory_bytes: size of /dev/shm; None without one.
        gpu_bytes: memory of the smallest GPU; None without one, or if that is not known.
    """

    host: str
    clock: float
    versions: Mapping[str, str | None]
    source: str
    folder_problem: str | None
    shared_memory_bytes: int | None
    gpu_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class NodeReading:
    """A node's facts, and what the driver knows of them.

    Attributes:
        facts: of the node.
        sent_at: the driver's time before it asked, in seconds since the epoch.
        received_at: its time when the answer was there.
        reply_seen: whether the driver sees the file that the node wrote.
        object_store_bytes: of Ray on the node.
    """

    facts: NodeFacts
    sent_at: float
    received_at: float
    reply_seen: bool
    object_store_bytes: float

    @property
    def clock_difference_sec(self) -> float:
        """How far the node's clock is from the driver's at least; negative if it is behind.

        The answer was given at some time between `sent_at` and `received_at`.
        """
        if self.facts.clock > self.received_at:
            return self.facts.clock - self.received_at
        return min(0.0, self.facts.clock - self.sent_at)


def node_problems(
    reading: NodeReading, driver: NodeFacts, folder: Path | None, least_gpu_bytes: int = 0
) -> tuple[str, ...]:
    """Reasons why a node cannot run the driver's trials, each with its remedy; none if it can.

    Args:
        reading: of the node.
        driver: facts of the driver's own process.
        folder: of the sweep; None if the node needs none.
        least_gpu_bytes: of a GPU whose share holds a trial.
    """
    return (
        *_version_problems(reading.facts, driver),
        *(() if folder is None else _folder_problems(reading, folder)),
        *_clock_problems(reading),
        *_shared_memory_problems(reading),
        *_gpu_problems(reading.facts, least_gpu_bytes),
    )


def _version_problems(node: NodeFacts, driver: NodeFacts) -> Iterator[str]:
    missing = [name for name, version in node.versions.items() if version is None]
    if missing:
        yield f"{' and '.join(missing)} not installed there"
    others = [
        f"{name} {version} instead of {driver.versions.get(name)}"
        for name, version in node.versions.items()
        if version not in (None, driver.versions.get(name))
    ]
    if others:
        yield f"it has {' and '.join(others)}"
    elif not missing and node.source != driver.source:
        yield "its deft_sweeps has other source files than the driver's: install the same checkout"


def _folder_problems(reading: NodeReading, folder: Path) -> Iterator[str]:
    match reading.facts.folder_problem:
        case "absent":
            yield f"it has no {folder}: mount the shared folder there under the same path"
        case "another":
            yield f"its {folder} is another folder: mount the shared one there under the same path"
        case "" if not reading.reply_seen:
            yield f"what it writes to {folder} does not reach the driver: mount the shared folder"
        case str(reason) if reason:
            yield f"it cannot write to {folder}: {reason}"


def _clock_problems(reading: NodeReading) -> Iterator[str]:
    difference = reading.clock_difference_sec
    if abs(difference) > CLOCK_SEC:
        direction = "ahead of" if difference > 0 else "behind"
        yield (
            f"its clock is {abs(difference):.0f} s {direction} the driver's:"
            " synchronise them, with NTP say"
        )


def _shared_memory_problems(reading: NodeReading) -> Iterator[str]:
    available, needed = reading.facts.shared_memory_bytes, reading.object_store_bytes
    if available is not None and available < needed:
        yield (
            f"its {SHARED_MEMORY} of {size(available)} is too small for Ray's object store of"
            f" {size(needed)}: enlarge it (docker run --shm-size) or give `ray start` a smaller"
            " --object-store-memory"
        )


def _gpu_problems(node: NodeFacts, least_gpu_bytes: int) -> Iterator[str]:
    if node.gpu_bytes is not None and node.gpu_bytes < least_gpu_bytes:
        yield (
            f"its GPU of {size(node.gpu_bytes)} is too small: a trial's share is enough of one of"
            f" {size(least_gpu_bytes)} (projected); raise budget.gpus_per_trial to use it"
        )

"""The share of a machine that a trial requests, and how a trial ran out of memory in one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deft_sweeps.units import gpu_part, size


@dataclass(frozen=True, slots=True)
class MachineShare:
    """What a trial has of a machine.

    Attributes:
        resources: that it requests, by Ray's names; memory in bytes.
        memory_bytes: of the host that it may use, or of the GPU if it requests one; None if that
            is not known.
    """

    resources: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: int | None = None

    def __str__(self) -> str:
        gpus = self.resources.get("GPU", 0.0)
        if gpus:
            of = "" if self.memory_bytes is None else f" ({size(self.memory_bytes)})"
            return f"{gpu_part(gpus)}{of}"
        if self.memory_bytes is not None:
            return f"{size(self.memory_bytes)} of memory"
        return f"a share of {self.resources.get('CPU', 0):g} CPU"


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """An attempt at a trial that ran out of memory.

    Attributes:
        n_micro_batches: of its training steps, >= 1.
        share: that it had.
    """

    n_micro_batches: int
    share: MachineShare


def shares_of(exhaustions: Iterable[OutOfMemory]) -> tuple[MachineShare, ...]:
    """The different shares, in the order in which they were first exhausted."""
    shares: list[MachineShare] = []
    for exhaustion in exhaustions:
        if exhaustion.share not in shares:
            shares.append(exhaustion.share)
    return tuple(shares)

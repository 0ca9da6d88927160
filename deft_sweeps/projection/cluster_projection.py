"""What a sweep would do on machines that are only described."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deft_sweeps.config.layout import Layout
from deft_sweeps.projection.node_kind import NodeKind
from deft_sweeps.projection.sweep_projection import START_SEC, SweepProjection, project
from deft_sweeps.projection.trial_estimate import Estimate
from deft_sweeps.projection.trial_request import (
    automatic_gpu_share,
    trial_needs,
    trial_slots_on,
    with_gpu_share,
)
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.units import size

_UNITS = {"CPU": "cpu", "GPU": "gpu"}


@dataclass(frozen=True, slots=True)
class KindSlots:
    """Room for trials on machines of one kind.

    Attributes:
        n_slots: trials at a time on one machine.
        reason: why it has none, a clause; empty if it has some.
    """

    kind: NodeKind
    n_slots: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClusterProjection:
    """A sweep on described machines; all of it projected.

    Attributes:
        kinds: in the order of their description.
        gpu_share: of a trial, in [0, 1].
        n_parallel: trials at a time on all of them; 0 if none fits.
        time_sec: of the sweep; None if no trial fits.
        fits_nowhere: labels of combinations whose own trials fit on no kind, and their bytes.
    """

    kinds: tuple[KindSlots, ...]
    gpu_share: float
    n_parallel: int
    time_sec: float | None
    fits_nowhere: Mapping[str, int]


def project_on(
    spec: SweepSpec, projection: SweepProjection, kinds: Sequence[NodeKind], layout: Layout
) -> ClusterProjection:
    """Place a sweep's trials as a real cluster would.

    Args:
        spec: the sweep.
        projection: of its trials.
        kinds: of the machines.
        layout: of the sweep's model.
    """
    if spec.budget.gpus_per_trial is None:
        gpu_bytes = [kind.gpu_bytes for kind in kinds if kind.gpus]
        spec = with_gpu_share(spec, automatic_gpu_share(spec, gpu_bytes))
        projection = project(spec, layout)
    needs = trial_needs(spec)
    largest = projection.trials[projection.largest]
    placed = tuple(_placed(kind, needs, spec.budget.gpu_share, largest) for kind in kinds)
    room = sum(one.kind.n_nodes * one.n_slots for one in placed)
    n_parallel = min(room, spec.budget.concurrency or room, spec.budget.trials)
    mean = sum(each.time_sec for each in projection.trials.values()) / len(projection.trials)
    rounds = math.ceil(spec.budget.trials / n_parallel) if n_parallel else 0
    return ClusterProjection(
        placed,
        spec.budget.gpu_share,
        n_parallel,
        START_SEC + rounds * mean if n_parallel else None,
        {
            label: each.memory_bytes
            for label, each in projection.trials.items()
            if not any(_holds(kind, each, spec.budget.gpu_share) for kind in kinds)
        },
    )


def _placed(
    kind: NodeKind, needs: Mapping[str, float], share: float, largest: Estimate
) -> KindSlots:
    n_slots = trial_slots_on(kind.resources, needs)
    if n_slots and not _holds(kind, largest, share):
        has = size((kind.gpu_bytes or 0) * share)
        reason = f"the largest trial needs {size(largest.memory_bytes)} of a GPU, its share is"
        return KindSlots(kind, 0, f"{reason} {has}")
    if n_slots:
        return KindSlots(kind, n_slots, "")
    lacking = [
        f"{_amount(name, need)} (it has {_amount(name, kind.resources[name])})"
        for name, need in needs.items()
        if not trial_slots_on(kind.resources, {name: need})
    ]
    return KindSlots(kind, 0, f"a trial asks for {' and '.join(lacking)}")


def _holds(kind: NodeKind, trial: Estimate, share: float) -> bool:
    """Whether a machine has the memory that a trial needs."""
    if share:
        return kind.gpus > 0 and (
            kind.gpu_bytes is None or trial.memory_bytes <= int(kind.gpu_bytes * share)
        )
    return kind.memory_bytes is None or trial.memory_bytes <= kind.memory_bytes


def _amount(name: str, value: float) -> str:
    return f"{size(value)} of memory" if name == "memory" else f"{value:g} {_UNITS[name]}"

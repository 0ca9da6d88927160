"""What a trial asks a machine for, and how many trials a machine has room for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deft_sweeps.projection.memory_fit import largest_trial
from deft_sweeps.specification.sweep_spec import SweepSpec

LEAST_GAIN = 1.125
"""A share of a machine that is larger by less is not worth another attempt."""
USABLE_GPU = 0.95
"""Of a GPU's memory, for trials: a round figure."""
_RAY_NAMES = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}


def trial_needs(spec: SweepSpec) -> dict[str, float]:
    """What a trial asks of a cluster's node, by Ray's names; memory as it is projected.

    Every trial asks for what the largest one needs: workers take one trial after the other, and
    Ray hands a worker on only to a trial that asks for the same.
    """
    budget = spec.budget
    needs: dict[str, float] = {"cpu": budget.cpus_per_trial, "gpu": budget.gpu_share}
    trial = largest_trial(spec, on_gpu=False) if budget.gpu_share == 0 else None
    if trial is not None:
        needs["memory"] = trial.n_bytes
    return ray_needs(needs)


def ray_needs(needs: Mapping[str, float]) -> dict[str, float]:
    """What a trial needs, by Ray's names, without what it does not need.

    Args:
        needs: `cpu`, `gpu` and `memory` in bytes; 0 is no need.
    """
    return {_RAY_NAMES[name]: need for name, need in needs.items() if need > 0}


def raised_needs(
    needs: Mapping[str, float],
    n_bytes: int,
    machines: Sequence[Mapping[str, float]],
    gpu_bytes: Sequence[int] = (),
) -> dict[str, float]:
    """What a trial with this need of memory asks for: at least what all trials ask for.

    Memory rises in eighths of what trials ask for: a worker serves only trials that ask for the
    same.

    Args:
        needs: of trials in general, by Ray's names.
        n_bytes: that the trial needs: of the host's memory, or of the GPU's if it asks for one.
        machines: resources of each; no trial asks for more memory than one of those that trials
            fit on has.
        gpu_bytes: memory of the GPUs that trials may run on; none if it is not known.
    """
    if "GPU" in needs:
        share = gpu_share(n_bytes, gpu_bytes) if gpu_bytes else None
        return {**needs, "GPU": max(needs["GPU"], share or 0.0)}
    if "memory" not in needs:
        return dict(needs)
    usual = needs["memory"]
    raised = usual * (1 + math.ceil(max(0.0, n_bytes / usual - 1) * 8) / 8)
    most = max(_fitting(needs, machines, "memory"), default=usual)
    return {**needs, "memory": max(usual, min(raised, most))}


def gpu_share(n_bytes: int, gpu_bytes: Sequence[int]) -> float | None:
    """The share that a trial needs of the smallest GPU that holds it: one of n equal parts.

    Args:
        n_bytes: of the GPU's memory that the trial needs.
        gpu_bytes: memory of each GPU.

    Returns:
        1, 1/2, 1/3 and so on; None if no GPU holds it.
    """
    usable = (int(USABLE_GPU * size) for size in gpu_bytes)
    holding = [size for size in usable if size >= n_bytes]
    return 1 / (min(holding) // max(1, n_bytes)) if holding else None


def automatic_gpu_share(spec: SweepSpec, gpu_bytes: Sequence[int | None]) -> float:
    """The share of a GPU that a trial gets on machines with GPUs if the budget says none.

    Args:
        spec: of the sweep.
        gpu_bytes: memory of each GPU, or of each kind of them; None if it is not known.

    Returns:
        1, 1/2, 1/3 and so on, as `gpu_share` of the largest trial; 1 if that cannot be projected.
        0, for trials on CPUs, if there are no GPUs, none of them holds the largest trial, or the
        sweep is measured in a runtime on the CPU.
    """
    if not gpu_bytes or spec.deploy is not None:
        return 0.0
    trial = largest_trial(spec, on_gpu=True)
    sizes = [size for size in gpu_bytes if size is not None]
    if trial is None or len(sizes) < len(gpu_bytes):
        return 1.0
    return gpu_share(trial.n_bytes, sizes) or 0.0


def least_gpu_bytes(spec: SweepSpec) -> int:
    """Memory of the smallest GPU of which a trial's share holds the largest trial; 0 on CPUs."""
    share = spec.budget.gpu_share
    trial = largest_trial(spec, on_gpu=True) if share > 0 else None
    return 0 if trial is None else int(trial.n_bytes / share)


def with_gpu_share(spec: SweepSpec, share: float) -> SweepSpec:
    """The sweep whose trials get this share of a GPU."""
    return replace(spec, budget=replace(spec.budget, gpus_per_trial=share))


def larger_needs(
    needs: Mapping[str, float], machines: Sequence[Mapping[str, float]]
) -> dict[str, float] | None:
    """What a trial asks for after it ran out of memory in what it needs.

    A whole GPU instead of a share; otherwise twice the memory, as far as a machine has so much; or
    all cores of a machine if trials ask for no memory, so that no other trial runs beside it.

    Args:
        needs: of the trial so far, by Ray's names.
        machines: resources of each, by Ray's names; memory in bytes.

    Returns:
        None if no machine has at least LEAST_GAIN times as much.
    """
    name = next((name for name in ("GPU", "memory") if name in needs), "CPU")
    most = max(_fitting(needs, machines, name), default=0.0)
    wanted = {"GPU": min(1.0, most), "memory": min(2.0 * needs[name], most), "CPU": most}[name]
    return {**needs, name: wanted} if wanted >= LEAST_GAIN * needs[name] else None


def _fitting(
    needs: Mapping[str, float], machines: Sequence[Mapping[str, float]], name: str
) -> list[float]:
    """Of one resource, what each machine has that a trial fits on."""
    return [
        machine[name]
        for machine in machines
        if name in machine and trial_slots_on(machine, needs) > 0
    ]


def trial_slots_on(resources: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """Trials that fit on a machine at a time.

    Args:
        resources: of the machine, by Ray's names; memory in bytes.
        needs: of one trial, by Ray's names, each > 0.
    """
    fits = []
    for name, need in needs.items():
        available = resources.get(name, 0.0)
        if name == "GPU" and need < 1:  # Ray never gives a trial parts of two GPUs.
            fits.append(int(available) * int(1 / need + 1e-9))
        elif available == float("inf"):
            continue
        else:
            fits.append(int(available / need + 1e-9))
    return min(fits, default=0)

"""What a trial asks a machine for, and how many trials a machine has room for."""

from collections.abc import Mapping

from deft_sweeps.projection.memory_fit import largest_trial
from deft_sweeps.specification.sweep_spec import SweepSpec

_RAY_NAMES = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}


def trial_needs(spec: SweepSpec) -> dict[str, float]:
    """What a trial asks of a cluster's node, by Ray's names; memory as it is projected.

    Every trial asks for what the largest one needs: workers take one trial after the other, and
    Ray hands a worker on only to a trial that asks for the same.
    """
    budget = spec.budget
    needs: dict[str, float] = {"cpu": budget.cpus_per_trial, "gpu": budget.gpus_per_trial}
    trial = largest_trial(spec, on_gpu=False) if budget.gpus_per_trial == 0 else None
    if trial is not None:
        needs["memory"] = trial.n_bytes
    return ray_needs(needs)


def ray_needs(needs: Mapping[str, float]) -> dict[str, float]:
    """What a trial needs, by Ray's names, without what it does not need.

    Args:
        needs: `cpu`, `gpu` and `memory` in bytes; 0 is no need.
    """
    return {_RAY_NAMES[name]: need for name, need in needs.items() if need > 0}


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

"""Whether a sweep's trials fit into memory: how many at a time, and what would make the largest fit where it does not."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from deft_sweeps.config.axes import Nf4, Unquantized
from deft_sweeps.config.compat import illegal
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.errors import CheckpointError, SweepError
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.models.legality import misfits
from deft_sweeps.projection.sweep_projection import estimate
from deft_sweeps.spec.schema import SweepSpec

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a machine: all that its processes may use, and what is free now."""

    total: int
    available: int


def machine_memory() -> Memory | None:
    """Of this machine, or of the container that this process is in; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    told = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    total = told["MemTotal"]
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # no such limit, or `max`
            total = min(total, int(path.read_text()))
    return Memory(total, min(total, told.get("MemAvailable", total)))


def device_bytes() -> int | None:
    """Memory of the first GPU that this process sees; None where it sees none."""
    import torch

    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None


@dataclass(frozen=True, slots=True)
class Largest:
    """The trial of a sweep that needs most memory.

    Attributes:
        n_bytes: projected; of the process, or of the GPU's memory where it runs on one.
        on_gpu: which of the two.
        phase: `build`, `train` or `evaluate`, which is highest.
    """

    label: str
    config: TrialConfig
    n_bytes: int
    on_gpu: bool
    phase: str


def largest(spec: SweepSpec, *, on_gpu: bool) -> Largest | None:
    """None where the model's shape is not known here."""
    try:
        shape = layout(read_config(spec.combinations[0].template.model))
    except CheckpointError:
        return None
    needs = [(c, estimate(c.template, shape, spec.evaluation, 1.0, on_gpu=on_gpu)) for c in spec.combinations]
    combination, need = max(needs, key=lambda pair: pair[1].memory_bytes)
    return Largest(combination.label, combination.template, need.memory_bytes, on_gpu, need.peak.phase)


def slots_in_memory(spec: SweepSpec, there: Memory | None) -> int | None:
    """Trials that fit at a time, at least 1; None where that cannot be told.

    Raises:
        SweepError: the largest does not fit alone; with the numbers, and what would make it fit.
    """
    trial = largest(spec, on_gpu=False) if there is not None and spec.budget.gpus_per_trial == 0 else None
    if trial is None or there is None:
        return None
    refuse_unless_it_fits(spec, trial, there.total)
    return max(1, there.available // trial.n_bytes)


def check_device(spec: SweepSpec, device: int | None) -> None:
    """Refuse a sweep on GPUs whose largest trial does not fit into its share of one.

    Args:
        spec: the sweep.
        device: bytes of a GPU; None where there is none to look at.

    Raises:
        SweepError: with the numbers, and what would make it fit.
    """
    share = spec.budget.gpus_per_trial
    trial = largest(spec, on_gpu=True) if device is not None and share > 0 else None
    if trial is not None and device is not None:
        refuse_unless_it_fits(spec, trial, int(device * min(1.0, share)))


def refuse_unless_it_fits(spec: SweepSpec, trial: Largest, n_there: int) -> None:
    """See `slots_in_memory`."""
    if trial.n_bytes <= n_there:
        return
    where = "of the GPU" if trial.on_gpu else "of memory"
    helps = [f"{what} ({_gib(n)})" for what, n in remedies(spec, trial) if n <= n_there]
    mend = f"it would fit with {', or '.join(helps)}" if helps else "neither a smaller batch nor NF4 makes it fit; take a smaller model"
    raise SweepError(
        f"the largest trial does not fit: {trial.label} needs {_gib(trial.n_bytes)} {where} in its {trial.phase} phase (projected), and "
        f"there are {_gib(n_there)}; {mend}"
    )


def remedies(spec: SweepSpec, trial: Largest) -> Iterator[tuple[str, int]]:
    """Changes that lower what the largest trial needs, each with the bytes that it would then need."""
    shape = layout(read_config(trial.config.model))

    def need(config: TrialConfig, evaluation: Evaluation = spec.evaluation) -> int:
        return estimate(config, shape, evaluation, 1.0, on_gpu=trial.on_gpu).memory_bytes

    training = trial.config.training
    if training.accumulation < training.batch_size:
        split = replace(trial.config, training=replace(training, accumulation=training.batch_size))
        yield f"training.accumulation: {training.batch_size}", need(split)
        small = replace(spec.evaluation, batch_size=max(1, spec.evaluation.batch_size // 8))
        yield f"that and evaluation.batch_size: {small.batch_size}", need(split, small)
    if isinstance(trial.config.quantization, Unquantized):
        packed = replace(trial.config, quantization=Nf4())
        if illegal(packed) is None and not misfits(packed, shape):
            yield "quantization: [nf4]", need(packed)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB"

"""Whether a sweep's trials fit into memory: how many at a time, and what would make the largest
fit.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from deft_sweeps.config.axes import Nf4
from deft_sweeps.config.compat import illegal, shape_problems
from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.errors import CheckpointError, SweepError
from deft_sweeps.models.checkpoints import read_config
from deft_sweeps.models.families import layout
from deft_sweeps.projection.trial_estimate import estimate
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.tasks.location import located_checkpoint
from deft_sweeps.units import size

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True, slots=True)
class MachineMemory:
    """Bytes of a machine: all that its processes may use, and what is free now."""

    total: int
    available: int


def machine_memory() -> MachineMemory | None:
    """Of this machine, or of the container that this process is in; None if the system does not
    say.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    total = sizes["MemTotal"]
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # no such limit, or `max`
            total = min(total, int(path.read_text()))
    return MachineMemory(total, min(total, sizes.get("MemAvailable", total)))


@dataclass(frozen=True, slots=True)
class LargestTrial:
    """The trial of a sweep that needs most memory.

    Attributes:
        n_bytes: projected; of the process, or of the GPU's memory if it runs on one.
        on_gpu: which of the two.
        phase: `build`, `train` or `evaluate`, which is highest.
    """

    label: str
    config: TrialConfig
    n_bytes: int
    on_gpu: bool
    phase: str


def model_shape(spec: SweepSpec) -> Layout | None:
    """The layout of a sweep's model; None if its config cannot be read here."""
    try:
        return layout(read_config(located_checkpoint(spec.combinations[0].template, spec.folder)))
    except CheckpointError:
        return None


def largest_trial(spec: SweepSpec, *, on_gpu: bool) -> LargestTrial | None:
    """None if the model's shape cannot be read here."""
    shape = model_shape(spec)
    if shape is None:
        return None
    needs = [
        (c, estimate(c.template, shape, spec.evaluation, 1.0, on_gpu=on_gpu))
        for c in spec.combinations
    ]
    combination, need = max(needs, key=lambda pair: pair[1].memory_bytes)
    return LargestTrial(
        combination.label, combination.template, need.memory_bytes, on_gpu, need.peak.phase
    )


def trials_in_memory(spec: SweepSpec, memory: MachineMemory | None) -> int | None:
    """Trials that fit at a time, at least 1; None if that cannot be said.

    Raises:
        SweepError: the largest does not fit alone; with the numbers, and what would make it fit.
    """
    if memory is None or spec.budget.gpu_share > 0:
        return None
    trial = largest_trial(spec, on_gpu=False)
    if trial is None:
        return None
    refuse_unless_it_fits(spec, trial, memory.total)
    return max(1, memory.available // trial.n_bytes)


def check_device(spec: SweepSpec, device_bytes: int | None) -> None:
    """Refuse a sweep on GPUs whose largest trial does not fit into its share of one.

    Args:
        spec: the sweep.
        device_bytes: of a GPU; None if there is none to look at.

    Raises:
        SweepError: with the numbers, and what would make it fit.
    """
    share = spec.budget.gpu_share
    if device_bytes is None or share == 0:
        return
    trial = largest_trial(spec, on_gpu=True)
    if trial is not None:
        refuse_unless_it_fits(spec, trial, int(device_bytes * share))


def refuse_unless_it_fits(spec: SweepSpec, trial: LargestTrial, n_bytes: int) -> None:
    """Raise SweepError unless the trial fits into so many bytes."""
    if trial.n_bytes <= n_bytes:
        return
    where = "of the GPU" if trial.on_gpu else "of memory"
    fitting = [f"{what} ({size(n)})" for what, n in smaller_variants(spec, trial) if n <= n_bytes]
    advice = f"it would fit with {', or '.join(fitting)}"
    if not fitting:
        advice = "neither a smaller batch nor NF4 makes it fit; take a smaller model"
    need = (
        f"{trial.label} needs {size(trial.n_bytes)} {where} in its {trial.phase} phase (projected)"
    )
    raise SweepError(
        f"the largest trial does not fit: {need}, and there are {size(n_bytes)}; {advice}"
    )


def smaller_variants(spec: SweepSpec, trial: LargestTrial) -> Iterator[tuple[str, int]]:
    """Changes that lower what the largest trial needs, each with the bytes that it would then
    need.
    """
    shape = layout(read_config(located_checkpoint(trial.config, spec.folder)))

    def need(config: TrialConfig, evaluation: Evaluation = spec.evaluation) -> int:
        return estimate(config, shape, evaluation, 1.0, on_gpu=trial.on_gpu).memory_bytes

    training = trial.config.training
    if training.accumulation < training.batch_size:
        split = replace(trial.config, training=replace(training, accumulation=training.batch_size))
        yield f"training.accumulation: {training.batch_size}", need(split)
        small = replace(spec.evaluation, batch_size=max(1, spec.evaluation.batch_size // 8))
        yield f"that and evaluation.batch_size: {small.batch_size}", need(split, small)
    packed = replace(trial.config, quantization=Nf4())
    if (
        trial.config.quantization.is_none
        and illegal(packed) is None
        and not shape_problems(packed, shape)
    ):
        yield "quantization: [nf4]", need(packed)

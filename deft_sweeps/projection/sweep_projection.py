"""What a sweep will need: its trials' projections, how many run at a time, and the hours.

Time is floating point operations over the rates below, which are those of one machine.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from deft_sweeps.config.layout import Layout
from deft_sweeps.projection.peak_memory import Peak
from deft_sweeps.projection.trial_estimate import Estimate, estimate
from deft_sweeps.specification.compute_dtype import slow_dtype
from deft_sweeps.specification.sweep_spec import SweepSpec

FLOPS_PER_CORE = {"fp32": 70e9, "bf16": 125e9}
"""Floating point operations a second of one core with AMX, fitted to short trainings of
Flan-T5-small from their start."""
FLOPS_IN_SOFTWARE = 1e9
"""The same in bf16 on a processor without bfloat16 instructions (AVX2), by a matrix product."""
FLOPS_PER_GPU = {"fp32": 15e12, "bf16": 60e12}
"""The same for a whole data centre GPU: a round figure, not measured here."""
TIME_RANGE = (0.7, 1.5)
"""Of measured over projected time of a trial on one core that nothing else uses: wider than the
measured ratios (`benchmarks/README.md`), since a machine's speed varies."""
START_SEC = 20.0
"""A sweep's start: the local cluster and each worker's imports."""
GPU_GIBS = (16, 24, 32, 40, 48, 80, 96, 141)
"""Memory of the GPUs that are sold, in GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepProjection:
    """Projected needs of a sweep.

    Attributes:
        largest: the trial that needs most memory, by the combination's label.
        n_parallel: trials at a time on this machine.
        memory_bytes: of that many of the largest.
        gpus: where trials run on GPUs, of each form of the base the largest trial's label.
        host_bytes: where trials run on GPUs, of the float32 weights in the host's memory that a
            base is built from.
        time_sec: mean trial times the number of trials, over n_parallel, plus the start; at most
            the budget's hours, of whichever kind, and one trial. Early stopping, a front that is
            flat, and more seeds of the front are not in it.
    """

    trials: dict[str, Estimate]
    largest: str
    n_parallel: int
    memory_bytes: int
    time_sec: float
    gpus: dict[str, str]
    host_bytes: int


def project(
    spec: SweepSpec, layout: Layout, n_cores: int | None = None, n_bytes: int | None = None
) -> SweepProjection:
    """Needs of the sweep, every combination at the middle of its domains.

    Args:
        spec: gives combinations, evaluation and budget.
        layout: of the sweep's model.
        n_cores: of the machine or cluster; None is this machine's.
        n_bytes: of memory that trials may use together; None does not limit them.
    """
    cores = n_cores or os.cpu_count() or 1
    budget = spec.budget
    if budget.gpu_share:
        rate = FLOPS_PER_GPU[spec.dtype] * budget.gpu_share
    elif slow_dtype(spec.dtype, on_gpu=False):
        rate = FLOPS_IN_SOFTWARE * budget.cpus_per_trial
    else:
        rate = FLOPS_PER_CORE[spec.dtype] * budget.cpus_per_trial
    trials = {
        c.label: estimate(c.template, layout, spec.evaluation, rate, on_gpu=budget.gpu_share > 0)
        for c in spec.combinations
    }
    largest = max(trials, key=lambda label: trials[label].memory_bytes)
    limits = [budget.concurrency or budget.trials, cores // budget.cpus_per_trial, budget.trials]
    if n_bytes is not None and not budget.gpu_share:
        limits.append(n_bytes // trials[largest].memory_bytes)
    n_parallel = max(1, min(limits))
    mean = sum(e.time_sec for e in trials.values()) / len(trials)
    total = math.ceil(budget.trials / n_parallel) * mean
    devices = (
        (budget.hours, 1.0),
        (budget.gpu_hours, n_parallel * budget.gpu_share),
        (budget.cpu_hours, n_parallel * budget.cpus_per_trial),
    )
    total = min(
        [
            total,
            *(hours * 3600 / used + mean for hours, used in devices if hours is not None and used),
        ]
    )
    return SweepProjection(
        trials=trials,
        largest=largest,
        n_parallel=n_parallel,
        memory_bytes=n_parallel * trials[largest].memory_bytes,
        time_sec=START_SEC + total,
        gpus=_largest_by_base(spec, trials) if budget.gpu_share else {},
        host_bytes=4 * layout.n_parameters if budget.gpu_share else 0,
    )


def _largest_by_base(spec: SweepSpec, trials: Mapping[str, Estimate]) -> dict[str, str]:
    largest: dict[str, str] = {}
    for combination in spec.combinations:
        config = combination.template
        packing = "" if config.quantization.is_none else f" {config.quantization.kind}"
        base = f"{config.model} {config.dtype}{packing}"
        labels = (largest.get(base, combination.label), combination.label)
        largest[base] = max(labels, key=lambda label: _rank(trials[label].peak))
    return largest


def _rank(peak: Peak) -> tuple[int, int]:
    # Where building is the highest, as it often is for all alike, the one that trains highest
    # stands for them.
    return peak.highest, max(peak.train, peak.evaluate)


def gpus_that_hold(n_bytes: int) -> tuple[int, ...]:
    """The sizes of GPU_GIBS, in GiB, that hold so many bytes, with a twentieth kept free."""
    return tuple(size for size in GPU_GIBS if n_bytes <= 0.95 * size * 2**30)

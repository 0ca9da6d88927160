"""What a trial will need, projected from the model's shape alone: nothing is loaded or measured here, and torch is not needed.

Sizes of weights, adapters and optimiser are exact; the peak is that of `memory`, every input padded to the task's longest. Time is
floating point operations over the rates below, which are those of one machine. A projection says what fits and how long to wait, no more.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Nf4,
    Oft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Quantization,
    Role,
    SparseGpt,
    Unquantized,
    Vera,
    Wanda,
)
from deft_sweeps.config.data import GlueTask, task_kind
from deft_sweeps.config.layout import Layout, Linear
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.legality import packed_linears
from deft_sweeps.projection.peak_memory import Device, Peak, activation_bytes, input_tokens, peak, target_tokens
from deft_sweeps.spec.hardware import slow_dtype
from deft_sweeps.spec.schema import SweepSpec
from deft_sweeps.tasks.glue import GLUE

FLOPS_PER_CORE = {"fp32": 36e9, "bf16": 80e9}
"""Floating point operations a second that one core reached in training Flan-T5-small (AVX-512 with BF16 instructions, 2 threads)."""
FLOPS_IN_SOFTWARE = 1e9
"""The same in bf16 on a processor without such instructions (AVX2), by a matrix product."""
FLOPS_PER_GPU = {"fp32": 15e12, "bf16": 60e12}
"""The same for a whole data centre GPU: a round figure, not measured here."""
FOUR_BIT_SLOWDOWN = 1.5
"""A step that unpacks 4-bit weights, over the same step without (CPU)."""
INT8_SLOWDOWN = 2.3
"""The same for 8-bit weights."""
PROCESS_BYTES = 620 * 2**20
"""A worker with its libraries imported, Ray among them, before it loads a model."""
TIME_RANGE = (0.5, 1.3)
"""Measured over projected time of the quickest training of each kind on reviews in `benchmarks/tables` (`benchmarks/times.py`), on one core
of one machine. On a busy machine the same took up to 22 times the projection; SST-2's phrases, far shorter than the task allows, .14."""
START_SEC = 20.0
"""A sweep's start: the local cluster and each worker's imports."""
BUILD_SEC_PER_PARAMETER = 5e-8
"""Loading, pruning and quantizing a base."""
FILE_CLASSES = 2
"""Classes of the user's own file, which is not read here."""
GPU_GIBS = (16, 24, 32, 40, 48, 80, 96, 141)
"""Memory of the GPUs that are sold, in GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Projected needs of one trial.

    Attributes:
        weight_bytes: of the frozen base, the scales of packed weights included.
        adapter_bytes: of what the PEFT method adds, in float32: the trained parameters, and VeRA's frozen matrices.
        optimizer_bytes: gradients and AdamW's two moments; AdaLoRA's three running values of each parameter too.
        activation_bytes: held for the backward pass of one micro-batch.
        peak: of each phase, above a process with its libraries imported; on the GPU's memory where the trial runs on one.
        train_flops: of all steps.
        evaluate_flops: of one pass over the validation examples for each threshold and percentile.
        train_sec: of all steps.
        time_sec: of the whole trial.
    """

    weight_bytes: int
    trainable_parameters: int
    adapter_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    peak: Peak
    on_gpu: bool
    train_flops: float
    evaluate_flops: float
    train_sec: float
    time_sec: float

    @property
    def memory_bytes(self) -> int:
        """Highest of all phases; on the CPU the process itself included."""
        return self.peak.highest + (0 if self.on_gpu else PROCESS_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Projected needs of a sweep.

    Attributes:
        largest: the trial that needs most memory, by the combination's label.
        n_parallel: trials at a time on this machine.
        memory_bytes: of that many of the largest.
        gpus: where trials run on GPUs, of each form of the base the largest trial's label.
        host_bytes: where trials run on GPUs, of the float32 weights in the host's memory that a base is built from.
        time_sec: mean trial times the number of trials, over n_parallel, plus the start; at most the budget's hours, of whichever
            kind, and one trial. Early stopping, a front that is flat, and more seeds of the front are not in it.
    """

    trials: dict[str, Estimate]
    largest: str
    n_parallel: int
    memory_bytes: int
    time_sec: float
    gpus: dict[str, str]
    host_bytes: int


def project(spec: SweepSpec, layout: Layout, n_cores: int | None = None, n_bytes: int | None = None) -> Projection:
    """Needs of the sweep, every combination at the middle of its domains.

    Args:
        spec: gives combinations, evaluation and budget.
        layout: of the sweep's model.
        n_cores: of the machine or cluster; None is this machine's.
        n_bytes: of memory that trials may use together; None does not limit them.
    """
    cores = n_cores or os.cpu_count() or 1
    budget = spec.budget
    if budget.gpus_per_trial:
        rate = FLOPS_PER_GPU[spec.dtype] * budget.gpus_per_trial
    elif slow_dtype(spec.dtype, on_gpu=False):
        rate = FLOPS_IN_SOFTWARE * budget.cpus_per_trial
    else:
        rate = FLOPS_PER_CORE[spec.dtype] * budget.cpus_per_trial
    trials = {c.label: estimate(c.template, layout, spec.evaluation, rate, on_gpu=budget.gpus_per_trial > 0) for c in spec.combinations}
    largest = max(trials, key=lambda label: trials[label].memory_bytes)
    limits = [budget.concurrency or budget.trials, cores // budget.cpus_per_trial, budget.trials]
    if n_bytes is not None and not budget.gpus_per_trial:
        limits.append(n_bytes // trials[largest].memory_bytes)
    n_parallel = max(1, min(limits))
    mean = sum(e.time_sec for e in trials.values()) / len(trials)
    total = math.ceil(budget.trials / n_parallel) * mean
    devices = (
        (budget.hours, 1.0),
        (budget.gpu_hours, n_parallel * budget.gpus_per_trial),
        (budget.cpu_hours, n_parallel * budget.cpus_per_trial),
    )
    total = min([total, *(hours * 3600 / used + mean for hours, used in devices if hours is not None and used)])
    return Projection(
        trials=trials,
        largest=largest,
        n_parallel=n_parallel,
        memory_bytes=n_parallel * trials[largest].memory_bytes,
        time_sec=START_SEC + total,
        gpus=_largest_by_base(spec, trials) if budget.gpus_per_trial else {},
        host_bytes=4 * layout.n_parameters if budget.gpus_per_trial else 0,
    )


def _largest_by_base(spec: SweepSpec, trials: Mapping[str, Estimate]) -> dict[str, str]:
    found: dict[str, str] = {}
    for combination in spec.combinations:
        config = combination.template
        base = f"{config.model} {config.dtype}" + ("" if isinstance(config.quantization, Unquantized) else f" {config.quantization.kind}")
        found[base] = max(found.get(base, combination.label), combination.label, key=lambda label: _rank(trials[label].peak))
    return found


def _rank(peak: Peak) -> tuple[int, int]:
    # Where building is the highest, as it often is for all alike, the one that trains highest stands for them.
    return peak.highest, max(peak.train, peak.evaluate)


def estimate(config: TrialConfig, layout: Layout, evaluation: Evaluation, flops_per_sec: float, *, on_gpu: bool = False) -> Estimate:
    """Needs of one trial.

    Args:
        config: of the trial.
        layout: of its model.
        evaluation: of the sweep.
        flops_per_sec: of the cores or the GPU that the trial gets.
        on_gpu: whether it runs on one.
    """
    n_trained = trainable_parameters(config, layout) + head_parameters(config, layout)
    n_validation = config.task.splits.validation or 1000
    per_step = config.training.batch_size * _flops(layout, config, n_trained, backward=True)
    train_flops = config.training.steps * per_step
    forward = _flops(layout, config, n_trained, backward=False)
    evaluate_flops = n_validation * (len(evaluation.thresholds) + len(evaluation.percentiles)) * forward
    calibrate_flops = config.pruning.n_calibration * forward if isinstance(config.pruning, (Wanda, SparseGpt)) else 0.0
    slowdown = _slowdown(config.quantization)
    weights = weight_bytes(config, layout)
    adapter = 4 * (n_trained + frozen_additions(config, layout))
    optimizer = (24 if isinstance(config.peft, AdaLora) else 12) * n_trained
    device: Device = "cuda" if on_gpu else "cpu"
    return Estimate(
        weight_bytes=weights,
        trainable_parameters=n_trained,
        adapter_bytes=adapter,
        optimizer_bytes=optimizer,
        activation_bytes=activation_bytes(config, layout),
        peak=peak(config, layout, evaluation, weights=weights, adapter=adapter, optimizer=optimizer, device=device),
        on_gpu=on_gpu,
        train_flops=train_flops,
        evaluate_flops=evaluate_flops,
        train_sec=slowdown * train_flops / flops_per_sec,
        time_sec=BUILD_SEC_PER_PARAMETER * layout.n_parameters
        + (slowdown * (train_flops + evaluate_flops) + calibrate_flops) / flops_per_sec,
    )


def head_parameters(config: TrialConfig, layout: Layout) -> int:
    """Of the head that a model without a decoder answers the task through; of a file's classes, two."""
    task = config.task
    match task_kind(task):
        case "span":
            # Start and end are read off every token, past any pooler.
            return 0 if layout.has_decoder else 2 * (layout.d_model + 1)
        case "regression":
            return layout.head_parameters(1)
        case _:
            return layout.head_parameters(len(GLUE[task.name].classes) if isinstance(task, GlueTask) else FILE_CLASSES)


def gpus_that_hold(n_bytes: int) -> tuple[int, ...]:
    """The sizes of GPU_GIBS, in GiB, that hold so many bytes, with a twentieth kept free."""
    return tuple(size for size in GPU_GIBS if n_bytes <= 0.95 * size * 2**30)


def trainable_parameters(config: TrialConfig, layout: Layout) -> int:
    """What the PEFT method adds to the base and trains, and the block gates; a head comes on top."""
    n_gates = len(layout.blocks) if isinstance(config.adaptive, AdaDeft) else 0
    return n_gates + _peft_parameters(config, layout)


def _peft_parameters(config: TrialConfig, layout: Layout) -> int:
    match config.peft:
        case Lora(r=r, targets=targets, dora=dora):
            chosen = _chosen(layout, targets)
            return sum(r * (linear.in_features + linear.out_features) + dora * linear.out_features for linear in chosen)
        case AdaLora(r=r, extra=extra, targets=targets):
            return sum((r + extra) * (linear.in_features + linear.out_features + 1) for linear in _chosen(layout, targets))
        case Ia3(targets=targets):
            return sum(linear.in_features if linear.role == "down" else linear.out_features for linear in _chosen(layout, targets))
        case Vera(r=r, targets=targets):
            return sum(r + linear.out_features for linear in _chosen(layout, targets))
        case Oft(block=block, targets=targets):
            return sum(linear.in_features // block * (block * (block - 1) // 2) for linear in _chosen(layout, targets))
        case PrefixTuning(virtual_tokens=n):
            stack = "decoder" if layout.has_decoder else "encoder"
            prefixed = [linear for block in layout.blocks if block.stack == stack for linear in block.linears]
            return 2 * n * sum(linear.out_features for linear in prefixed if linear.role == "k" and linear.source == "self")
        case PromptTuning(virtual_tokens=n):
            return n * layout.d_model
        case PTuning(virtual_tokens=n, hidden=hidden):
            return n * layout.d_model + hidden * (layout.d_model + 1 + hidden + 1) + layout.d_model * (hidden + 1)
        case Adapter(reduction=reduction, placement=placement):
            width = max(1, layout.d_model // reduction)
            n_adapters = len(layout.blocks) + (len(_chosen(layout, ("o",))) if placement == "houlsby" else 0)
            return n_adapters * (2 * layout.d_model * width + width + layout.d_model)
        case unknown:
            assert_never(unknown)


def frozen_additions(config: TrialConfig, layout: Layout) -> int:
    """What the PEFT method adds to the base and does not train, in parameters."""
    match config.peft:
        case Vera(r=r, targets=targets):
            chosen = _chosen(layout, targets)
            return r * (max(linear.in_features for linear in chosen) + max(linear.out_features for linear in chosen)) if chosen else 0
        case AdaLora(targets=targets):
            return len(_chosen(layout, targets))
        case _:
            return 0


def weight_bytes(config: TrialConfig, layout: Layout) -> int:
    """Bytes of the frozen base in its final form; quantization packs the blocks' linear layers only."""
    dense = {"fp32": 4, "bf16": 2}[config.dtype]
    linears = packed_linears(config.quantization, layout)
    n_packed = sum(linear.n_parameters for linear in linears)
    rest = dense * (layout.n_parameters - n_packed)
    match config.quantization:
        case Unquantized():
            return rest
        case Nf4(double=double) | Fp4(double=double):
            # Half a byte a weight and one float32 scale for 64; with double quantization one byte for 64 and a float32 for 256 of those.
            return rest + math.ceil(n_packed / 2 + n_packed / 64 * (1 + 4 / 256 if double else 4))
        case Int8():
            return rest + n_packed + 4 * sum(linear.out_features for linear in linears)
        case unknown:
            assert_never(unknown)


def _chosen(layout: Layout, targets: Sequence[Role]) -> list[Linear]:
    return [linear for linear in layout.linears if linear.role in targets]


def _slowdown(quantization: Quantization) -> float:
    match quantization:
        case Unquantized():
            return 1.0
        case Nf4() | Fp4():
            return FOUR_BIT_SLOWDOWN
        case Int8():
            return INT8_SLOWDOWN
        case unknown:
            assert_never(unknown)


def _flops(layout: Layout, config: TrialConfig, n_trained: int, *, backward: bool) -> float:
    """Of one example: 2 a weight and token forward; 2 more backward, since a frozen weight has no gradient, and 4 more if trained."""
    tokens, written = input_tokens(config), target_tokens(config)
    by_stack = {
        stack: sum(x.n_parameters for b in layout.blocks if b.stack == stack for x in b.linears) for stack in ("encoder", "decoder")
    }
    output = layout.vocab_size * layout.d_model if layout.has_decoder else 0
    frozen = by_stack["encoder"] * tokens + (by_stack["decoder"] + output) * written
    trained = n_trained / 2 * (tokens + written)
    return frozen * (4 if backward else 2) + trained * (6 if backward else 2)

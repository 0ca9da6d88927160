"""Measured over projected memory of each kind of trial, by which later requests are raised."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.projection.peak_memory import CUDA_CONTEXT_BYTES, CUDA_OVERHEAD
from deft_sweeps.projection.trial_estimate import PROCESS_BYTES, estimate
from deft_sweeps.result import CompleteTrial, TrialResult

EXCEEDED = 1.125
"""A trial that ran out of memory needs at least so many times what it had: a round figure."""


def kind_of(config: TrialConfig) -> str:
    """The kind of a trial: a projection that is wrong for one trial of a kind is taken to be wrong
    by the same ratio for all.
    """
    return f"{config.peft.kind} on {config.dtype} {config.quantization.kind}"


def peak_ratios(
    results: Iterable[TrialResult], layout: Layout, evaluation: Evaluation, *, on_gpu: bool
) -> dict[str, float]:
    """The highest ratio of measured to projected bytes of each kind of trial.

    A complete trial counts with its measured peak, and an attempt that ran out of memory with
    EXCEEDED times the memory that it requested. One that had only requested cores of a machine says
    nothing. The ratios do not depend on the order of the results.

    Args:
        results: of trials, on whichever device they ran.
        layout: of the sweep's model.
        evaluation: of the sweep.
        on_gpu: whether the memory of the GPU is meant; results of the other kind do not count.
    """
    ratios: dict[str, float] = {}
    for result in results:
        kind = kind_of(result.config)
        for n_micro_batches, n_bytes in _needs(result, on_gpu):
            projected = projected_bytes(
                result.config, layout, evaluation, n_micro_batches, on_gpu=on_gpu
            )
            ratios[kind] = max(ratios.get(kind, 0.0), n_bytes / projected)
    return ratios


def raised_bytes(n_bytes: int, config: TrialConfig, ratios: Mapping[str, float]) -> int:
    """A trial's projected bytes, raised by the ratio of its kind; never lowered."""
    return round(n_bytes * max(1.0, ratios.get(kind_of(config), 1.0)))


def ratio_words(kind: str, ratio: float) -> str:
    """A clause: `lora on bf16 nf4: trials needed up to 1.30 times the projected memory`."""
    return f"{kind}: trials needed up to {ratio:.2f} times the projected memory"


def projected_bytes(
    config: TrialConfig,
    layout: Layout,
    evaluation: Evaluation,
    n_micro_batches: int | None = None,
    *,
    on_gpu: bool,
) -> int:
    """Of a trial's memory.

    Args:
        config: of the trial.
        layout: of its model.
        evaluation: of the sweep.
        n_micro_batches: of its steps; None is the configuration's own.
        on_gpu: whether the memory of the GPU is meant.
    """
    n = config.training.accumulation if n_micro_batches is None else n_micro_batches
    split = replace(config, training=replace(config.training, accumulation=n))
    return estimate(split, layout, evaluation, 1.0, on_gpu=on_gpu).memory_bytes


def _needs(result: TrialResult, on_gpu: bool) -> Iterator[tuple[int | None, float]]:
    """Micro-batches and bytes that a trial needed with them; at least, if it ran out of memory."""
    for exhaustion in result.exhaustions:
        share, name = exhaustion.share, "GPU" if on_gpu else "memory"
        if share.memory_bytes is not None and share.resources.get(name, 0) > 0:
            yield exhaustion.n_micro_batches, EXCEEDED * share.memory_bytes
    if not isinstance(result, CompleteTrial) or result.cost is None or result.provenance is None:
        return
    if result.provenance.device.startswith("cpu") is on_gpu:
        return
    peak = result.cost.peak_memory_bytes
    needed = CUDA_CONTEXT_BYTES + CUDA_OVERHEAD * peak if on_gpu else PROCESS_BYTES + peak
    yield result.provenance.n_micro_batches, needed

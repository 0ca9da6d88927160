"""What one trial will need, projected from the model's shape alone. Nothing is loaded or measured.

Sizes of weights, adapters and optimiser are exact; the peak is that of `peak_memory`, every input
padded to the task's longest. Time is floating point operations over a given rate. A projection says
what fits and how long to wait, no more.
"""

import math
from dataclasses import dataclass

from deft_sweeps.config.axes import DTYPE_BYTES
from deft_sweeps.config.data import GlueTask, task_kind
from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.families import family_of
from deft_sweeps.projection.activation_memory import activation_bytes, input_tokens, target_tokens
from deft_sweeps.projection.peak_memory import Device, Peak, peak_bytes
from deft_sweeps.tasks.glue import GLUE

PROCESS_BYTES = 620 * 2**20
"""A worker with its libraries imported, Ray among them, before it loads a model."""
FORWARD_GAIN = 1.5
"""Operations a second of an evaluation over those of training (CPU)."""
BUILD_SEC_PER_PARAMETER = 5e-8
"""Loading, pruning and quantizing a base."""
FILE_CLASSES = 2
"""Classes of the user's own file, which is not read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Projected needs of one trial.

    Attributes:
        weight_bytes: of the frozen base, the scales of packed weights included.
        adapter_bytes: of what the PEFT method adds, in float32: the trained parameters, and VeRA's
            frozen matrices.
        optimizer_bytes: gradients and AdamW's two moments; AdaLoRA's three running values of each
            parameter too.
        activation_bytes: held for the backward pass of one micro-batch.
        peak: of each phase, above a process with its libraries imported; on the GPU's memory where
            the trial runs on one.
        train_flops: of all steps.
        evaluate_flops: of one pass over the validation examples for each threshold and percentile.
        train_sec: of all steps.
        evaluate_sec: of all those passes.
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
    evaluate_sec: float
    time_sec: float

    @property
    def memory_bytes(self) -> int:
        """Highest of all phases; on the CPU the process itself included."""
        return self.peak.highest + (0 if self.on_gpu else PROCESS_BYTES)


def estimate(
    config: TrialConfig,
    layout: Layout,
    evaluation: Evaluation,
    flops_per_sec: float,
    *,
    on_gpu: bool = False,
) -> Estimate:
    """Needs of one trial.

    Args:
        config: of the trial.
        layout: of its model.
        evaluation: of the sweep.
        flops_per_sec: that the cores or the GPU of the trial reach in training.
        on_gpu: whether it runs on one.
    """
    n_trained = trainable_parameters(config, layout) + head_parameters(config, layout)
    n_validation = config.task.splits.validation or 1000
    per_step = config.training.batch_size * _flops(layout, config, n_trained, backward=True)
    train_flops = config.training.steps * per_step
    forward = _flops(layout, config, n_trained, backward=False)
    evaluate_flops = (
        n_validation * (len(evaluation.thresholds) + len(evaluation.percentiles)) * forward
    )
    calibrate_flops = config.pruning.calibration_examples * forward
    forward_rate = flops_per_sec * (1.0 if on_gpu else FORWARD_GAIN)
    slowdown = 1.0 if on_gpu else config.quantization.evaluation_slowdown
    train_sec = train_flops / flops_per_sec
    evaluate_sec = slowdown * evaluate_flops / forward_rate
    weights = weight_bytes(config, layout)
    adapter = 4 * (n_trained + frozen_additions(config, layout))
    optimizer = config.peft.optimizer_bytes * n_trained
    device: Device = "cuda" if on_gpu else "cpu"
    fixed = weights, adapter, optimizer
    return Estimate(
        weight_bytes=weights,
        trainable_parameters=n_trained,
        adapter_bytes=adapter,
        optimizer_bytes=optimizer,
        activation_bytes=activation_bytes(config, layout),
        peak=peak_bytes(config, layout, evaluation, *fixed, device=device),
        on_gpu=on_gpu,
        train_flops=train_flops,
        evaluate_flops=evaluate_flops,
        train_sec=train_sec,
        evaluate_sec=evaluate_sec,
        time_sec=BUILD_SEC_PER_PARAMETER * layout.n_parameters
        + calibrate_flops / forward_rate
        + train_sec
        + evaluate_sec,
    )


def head_parameters(config: TrialConfig, layout: Layout) -> int:
    """Of the head that the model answers the task through, 0 if it writes; of a file's classes,
    two.
    """
    task, family = config.task, family_of(layout)
    match task_kind(task):
        case "span":
            # Start and end are read off every token, past any pooler.
            return 0 if family.head is None else 2 * (layout.d_model + 1)
        case "regression":
            return family.head_parameters(layout, 1)
        case _:
            n_classes = len(GLUE[task.name].classes) if isinstance(task, GlueTask) else FILE_CLASSES
            return family.head_parameters(layout, n_classes)


def trainable_parameters(config: TrialConfig, layout: Layout) -> int:
    """What the axis members add to the base and train; a head comes on top."""
    return sum(member.n_trained(layout) for member in config.members)


def frozen_additions(config: TrialConfig, layout: Layout) -> int:
    """What the axis members add to the base and do not train, in parameters."""
    return sum(member.n_frozen(layout) for member in config.members)


def weight_bytes(config: TrialConfig, layout: Layout) -> int:
    """Bytes of the frozen base in its final form."""
    quantization = config.quantization
    n_dense = layout.n_parameters - quantization.n_packed(layout)
    return DTYPE_BYTES[config.dtype] * n_dense + math.ceil(quantization.packed_bytes(layout))


def _flops(layout: Layout, config: TrialConfig, n_trained: int, *, backward: bool) -> float:
    """Of one example: 2 a weight and token forward; 2 more backward, since a frozen weight has no
    gradient, and 4 more if trained.
    """
    tokens, written = input_tokens(config), target_tokens(config)
    by_stack = {
        stack: sum(x.n_parameters for b in layout.blocks if b.stack == stack for x in b.linears)
        for stack in ("encoder", "decoder")
    }
    output = 0 if family_of(layout).text is None else layout.vocab_size * layout.d_model
    frozen = by_stack["encoder"] * tokens + (by_stack["decoder"] + output) * written
    trained = n_trained / 2 * (tokens + written)
    return frozen * (4 if backward else 2) + trained * (6 if backward else 2)

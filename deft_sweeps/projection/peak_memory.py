"""Peak memory of a trial, phase by phase, projected from the model's shape: nothing is loaded, and torch is not needed.

A trial is highest while its base is built (the checkpoint in float32 beside its final form), while a step trains (what the backward pass
needs), or while it is measured. The tensors are counted; what the allocator and the libraries hold besides are the constants below,
measured with `benchmarks/memory.py` on Flan-T5-small and MiniLM (glibc 2.36, one thread) after 60 steps. In bfloat16 the first steps hold
less on the CPU, and from about the fiftieth on no more is added: LoRA on Flan-T5-small, batch 16, stood at 537, 643, 658 and 660 MiB after
8, 48, 96 and 200 steps. On a GPU only tensors count, and the allocator's rounding.
"""

import math
from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    DensityLoss,
    Ia3,
    Int8,
    Lora,
    NoPruning,
    Oft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    SparseGpt,
    Unquantized,
    Vera,
    Wanda,
)
from deft_sweeps.config.data import FileTask, SquadTask, task_kind
from deft_sweeps.config.layout import Block, Layout, Linear
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.legality import packed_linears

Device = Literal["cpu", "cuda"]

DATA_BYTES = 20 * 2**20
"""Of the mapped examples and the library that maps them (CPU)."""
TRAIN_RUNTIME_BYTES = 45 * 2**20
"""Code and kernels that are loaded by the first step (CPU)."""
EVALUATE_RUNTIME_BYTES = {"t5": 47 * 2**20, "bert": 20 * 2**20, "roberta": 20 * 2**20}
"""The tokenizer and the metrics, from the first evaluation on (CPU); RoBERTa's is taken for BERT's."""
TRAIN_HEAP = {"fp32": 1.5, "bf16": 1.0}
"""Resident bytes a live byte of training: glibc keeps freed blocks that later ones, of other lengths, do not fit into."""
TRAIN_RAGGED_BYTES = {"fp32": 25 * 2**20, "bf16": 170 * 2**20}
"""What is held besides after some dozen steps, whatever the batch: the smaller blocks of bfloat16 stay on the heap, where few fit."""
EVALUATE_HEAP = 2.0
"""Resident bytes a live byte of evaluation, before which freed memory goes back to the system."""
INT8_EVALUATE_HEAP = 7.5
"""The same on an int8 base, whose kernel takes and frees many blocks of odd sizes a layer."""
PACKED_HEAP_BYTES = 2.4
"""What packing leaves in the heap, a packed weight (CPU)."""
CUDA_OVERHEAD = 1.1
"""Reserved bytes a live byte on a GPU; a round figure, not measured here."""
CUDA_CONTEXT_BYTES = 600 * 2**20
"""Of the driver's context and the kernels on a GPU; a round figure, not measured here."""
CLASS_TOKENS = 3
"""Of a class or a number written out as the target text, the end token included; what `tasks` really writes is known once it is read."""
CALIBRATION_BATCH = 32
"""Examples a forward pass of calibrated pruning, as in `trial.base`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Bytes at the highest moment of each phase, above a process with its libraries imported.

    Attributes:
        build: loading, pruning and quantizing.
        train: one micro-batch's backward pass.
        evaluate: one batch of the validation split.
    """

    build: int
    train: int
    evaluate: int

    @property
    def highest(self) -> int:
        return max(self.build, self.train, self.evaluate)

    @property
    def phase(self) -> str:
        """Name of the highest."""
        return max(("build", "train", "evaluate"), key=lambda name: int(getattr(self, name)))


def peak(
    config: TrialConfig, layout: Layout, evaluation: Evaluation, *, weights: int, adapter: int, optimizer: int, device: Device = "cpu"
) -> Peak:
    """Peak of each phase.

    Args:
        config: of the trial.
        layout: of its model.
        evaluation: of the sweep.
        weights: bytes of the base in its final form.
        adapter: bytes of what the method adds.
        optimizer: bytes of gradients and AdamW's moments.
        device: where the trial runs.
    """
    measured = evaluation_bytes(config, layout, evaluation.batch_size)
    calibration = _pruning_bytes(config, layout)
    if isinstance(config.pruning, Wanda | SparseGpt):
        examples = min(CALIBRATION_BATCH, config.pruning.n_calibration)
        calibration = max(calibration, evaluation_bytes(config, layout, examples, dtype_bytes=4))
    dense = 4 * layout.n_parameters
    stays_dense = config.dtype == "fp32" and isinstance(config.quantization, Unquantized)
    live = activation_bytes(config, layout) + _transient_bytes(config, layout)
    if device == "cuda":
        build = _cuda_build_bytes(config, layout, weights, calibration)
        train = weights + adapter + optimizer + live
        highest = (build, train, weights + adapter + optimizer + measured)
        return Peak(
            **dict(zip(("build", "train", "evaluate"), (int(CUDA_CONTEXT_BYTES + CUDA_OVERHEAD * n) for n in highest), strict=True))
        )
    n_packed = sum(linear.n_parameters for linear in packed_linears(config.quantization, layout))
    left = calibration + round(PACKED_HEAP_BYTES * n_packed)
    # Float32 weights stay mapped from the file, also those that are packed; rows of the embedding that no text needs are never read.
    mapped = dense - (0 if _is_tied(layout) else 4 * layout.d_model * layout.vocab_size)
    resident = mapped + weights - 4 * (layout.n_parameters - n_packed) if config.dtype == "fp32" else weights
    standing = DATA_BYTES + resident + left + adapter + optimizer
    lazy = config.dtype == "fp32" and isinstance(config.pruning, NoPruning)
    factor = INT8_EVALUATE_HEAP if isinstance(config.quantization, Int8) else EVALUATE_HEAP
    return Peak(
        build=DATA_BYTES + left + (4 * n_packed if lazy else dense) + (0 if stays_dense else weights),
        train=int(standing + TRAIN_RUNTIME_BYTES + TRAIN_RAGGED_BYTES[config.dtype] + TRAIN_HEAP[config.dtype] * live),
        evaluate=int(standing + TRAIN_RUNTIME_BYTES + EVALUATE_RUNTIME_BYTES[layout.family] + factor * measured),
    )


def _is_tied(layout: Layout) -> bool:
    """Whether the output projection reads every row of the token embedding."""
    return layout.has_decoder and layout.embedding_parameters == layout.vocab_size * layout.d_model


def target_tokens(config: TrialConfig) -> int:
    """Of one example in the decoder: the longest that the task allows, or of a class."""
    if task_kind(config.task) in ("span", "text") and isinstance(config.task, SquadTask | FileTask):
        return config.task.max_target_tokens
    return CLASS_TOKENS


def input_tokens(config: TrialConfig) -> int:
    """Of one example in the encoder, virtual ones included."""
    virtual = config.peft.virtual_tokens if isinstance(config.peft, PromptTuning | PTuning) else 0
    return config.task.max_input_tokens + virtual


def activation_bytes(config: TrialConfig, layout: Layout) -> int:
    """Held for the backward pass of one micro-batch, every input padded to the task's longest."""
    examples = math.ceil(config.training.batch_size / config.training.accumulation)
    held = sum(_block_bytes(config, layout, block) for block in layout.blocks if _trains_through(config, layout, block))
    return examples * (held + _logit_bytes(config, layout, training=True))


def _trains_through(config: TrialConfig, layout: Layout, block: Block) -> bool:
    # Where there is a decoder, a prefix is seen by it alone, so nothing of the encoder has a gradient.
    if isinstance(config.peft, PrefixTuning):
        return block.stack == "decoder" or not layout.has_decoder
    # Nothing before the first adapter has one either.
    behind = isinstance(config.peft, Adapter) and config.peft.placement == "pfeiffer" and block.stack == "encoder" and block.index == 0
    return not behind or isinstance(config.adaptive, AdaDeft)


def _block_bytes(config: TrialConfig, layout: Layout, block: Block) -> int:
    """What one example leaves in one block."""
    size = _size(config)
    n, width, inner = _tokens(config, block), layout.d_model, layout.d_ff
    upcast = 4 if size == 2 else 0
    source = input_tokens(config)
    # T5 spells its norm out in float32.
    normed = size + (upcast if layout.family == "t5" else 0)
    kept = 0
    for linear in block.linears:
        rows = source if linear.source == "cross" else n
        kept += rows * _linear_bytes(config, linear, upcast)
        if linear.role in ("q", "k", "v"):
            # Heads are brought together for the product, which copies.
            kept += rows * size * linear.out_features
    for keys in (n, source)[: 2 if block.stack == "decoder" else 1]:
        # The attention's weights, and what the norm before it keeps.
        kept += n * keys * layout.n_heads * size + n * width * normed
    kept += n * width * normed
    gelu = config.activation == "pretrained" and layout.activation != "relu"
    gate = 4 + (size if upcast or gelu else 0)
    kept += n * inner * (gate + (size if layout.gated else 0))
    if isinstance(config.density, DensityLoss):
        # The gate itself where GELU has kept its input instead; the square and the sum below the line, or the tanh.
        surrogate = 8 if config.density.surrogate == "l0" else 4
        kept += n * inner * (surrogate + (4 if gelu and upcast else 0))
    if isinstance(config.adaptive, AdaDeft):
        kept += n * 4 * width
    if isinstance(config.peft, Adapter):
        kept += n * (upcast * width + 8 * max(1, width // config.peft.reduction))
    return kept


def _linear_bytes(config: TrialConfig, linear: Linear, upcast: int) -> int:
    """What the method keeps at one linear layer, a token."""
    method, size = config.peft, _size(config)
    if not isinstance(method, Lora | AdaLora | Ia3 | Vera | Oft) or linear.role not in method.targets:
        return 0
    # In float32 the layers of one attention share their input, which the norm has made.
    seen = upcast * linear.in_features if upcast or linear.role in ("q", "gate") else 0
    if not upcast:
        seen = 4 * linear.in_features if linear.role in ("q", "gate", "down", "o") else 0
    match method:
        case Lora(r=r, dora=dora):
            return seen + 4 * r + ((size + 8) * linear.out_features if dora else 0)
        case AdaLora(r=r, extra=extra):
            return seen + 8 * (r + extra)
        case Ia3():
            return size * (linear.in_features if linear.role == "down" else linear.out_features)
        case Vera(r=r):
            return 4 * r + 4 * linear.out_features
        case Oft():
            return seen + 4 * linear.in_features


def _transient_bytes(config: TrialConfig, layout: Layout) -> int:
    """Live for a moment in the backward pass: gradients of the widest layer, and weights that are unpacked or whose length is taken."""
    size = _size(config)
    examples = math.ceil(config.training.batch_size / config.training.accumulation)
    widest = examples * input_tokens(config) * layout.d_ff * (8 + 2 * size)
    largest = max(linear.n_parameters for linear in layout.linears)
    unpacked = 0 if isinstance(config.quantization, Unquantized) else largest * (size + 4)
    normed = 12 * largest if isinstance(config.peft, Lora) and config.peft.dora else 0
    return widest + unpacked + normed


def evaluation_bytes(config: TrialConfig, layout: Layout, examples: int, dtype_bytes: int | None = None) -> int:
    """Live at most while a batch is measured: at a gate with its count, at an attention, or at the logits; a cache while it writes."""
    size = dtype_bytes or _size(config)
    n = input_tokens(config)
    stream = n * layout.d_model * 3 * size
    # Pre-activation, gate, its mask as numbers, and the native activation spelled out.
    at_gate = n * layout.d_ff * (4 * size + 12)
    at_attention = n * n * layout.n_heads * (8 + size) + 3 * size * n * layout.blocks[0].linears[0].out_features
    cache = 0
    if layout.has_decoder and task_kind(config.task) != "classification":
        decoder = [b for b in layout.blocks if b.stack == "decoder"]
        cache = sum(2 * size * (n + target_tokens(config)) * b.linears[0].out_features for b in decoder)
    at_logits = _logit_bytes(config, layout, training=False, dtype_bytes=size)
    return examples * (stream + max(at_gate, at_attention, cache, at_logits))


def _logit_bytes(config: TrialConfig, layout: Layout, *, training: bool, dtype_bytes: int | None = None) -> int:
    """Of one example: logits, the model's own loss over them, their float32 copy and its logarithm; in training their gradients."""
    if not layout.has_decoder:
        return 0
    size = dtype_bytes or _size(config)
    each = size + (4 if size == 2 else 0) + 4 + (4 + size if training and size == 2 else 4 if training else 0)
    return target_tokens(config) * layout.vocab_size * each


def _cuda_build_bytes(config: TrialConfig, layout: Layout, weights: int, calibration: int) -> int:
    """On the GPU: dense weights of the blocks' layers come one layer at a time, to be looked at while pruning, and to be packed."""
    largest = 4 * max(linear.n_parameters for linear in layout.linears)
    packing = weights + (0 if isinstance(config.quantization, Unquantized) else largest)
    if isinstance(config.pruning, NoPruning):
        return packing
    if not isinstance(config.pruning, Wanda | SparseGpt):
        return max(packing, largest + calibration)
    # Calibration runs with all but those layers there in float32, until the cast at the end.
    rest = layout.n_parameters - sum(linear.n_parameters for linear in layout.linears)
    return max(packing + (4 - _size(config)) * rest, 4 * rest + largest + calibration)


def _pruning_bytes(config: TrialConfig, layout: Layout) -> int:
    """Of the statistics and copies of one block's widest layer."""
    if isinstance(config.pruning, NoPruning):
        return 0
    if isinstance(config.pruning, SparseGpt):
        # Moments in float32 of the block's layers, and four float64 matrices of the widest while they are inverted.
        return (4 * 4 + 4 * 8) * max(linear.in_features for linear in layout.linears) ** 2
    # Scores, the same in order, and their places as 64-bit integers.
    return 16 * max(linear.n_parameters for linear in layout.linears)


def _tokens(config: TrialConfig, block: Block) -> int:
    return input_tokens(config) if block.stack == "encoder" else target_tokens(config)


def _size(config: TrialConfig) -> int:
    return 4 if config.dtype == "fp32" else 2

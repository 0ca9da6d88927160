"""Bytes of the tensors that a trial's forward and backward passes hold, from the model's shape.

Loads no torch.
"""

import math

from deft_sweeps.config.axes import ACTIVATIONS, DTYPE_BYTES
from deft_sweeps.config.data import FileTask, SquadTask, task_kind
from deft_sweeps.config.layout import Block, Layout
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import family_of

CLASS_TOKENS = 3
"""Of a class or a number written out as the target text, the end token included; what `tasks`
really writes is known once it is read."""


def target_tokens(config: TrialConfig) -> int:
    """Of one example in the decoder: the longest that the task allows, or of a class."""
    if task_kind(config.task) in ("span", "text") and isinstance(config.task, SquadTask | FileTask):
        return config.task.max_target_tokens
    return CLASS_TOKENS


def input_tokens(config: TrialConfig) -> int:
    """Of one example in the encoder, virtual ones included."""
    return config.task.max_input_tokens + config.peft.input_tokens


def activation_bytes(config: TrialConfig, layout: Layout) -> int:
    """Held for the backward pass of one micro-batch, every input padded to the task's longest."""
    examples = math.ceil(config.training.batch_size / config.training.accumulation)
    blocks = [block for block in layout.blocks if _trains_through(config, layout, block)]
    held = sum(_block_bytes(config, layout, block) for block in blocks)
    matrices = sum(config.peft.matrix_bytes(linear) for block in blocks for linear in block.linears)
    return examples * (held + _logit_bytes(config, layout, training=True)) + matrices


def _trains_through(config: TrialConfig, layout: Layout, block: Block) -> bool:
    # Block gates train in every block.
    return config.peft.trains_through(block, layout) or not config.adaptive.is_none


def _block_bytes(config: TrialConfig, layout: Layout, block: Block) -> int:
    """What one example leaves in one block."""
    n, size = _tokens(config, block), dtype_bytes_of(config)
    method = config.peft.block_activation_bytes(layout, size)
    skipping = config.adaptive.block_activation_bytes(layout)
    at_gate = n * layout.d_ff * _gate_entry_bytes(config, layout)
    return _attention_bytes(config, layout, block) + at_gate + n * (method + skipping)


def _attention_bytes(config: TrialConfig, layout: Layout, block: Block) -> int:
    """Of a block's linear layers, attentions and norms, for one example."""
    n, size, source = _tokens(config, block), dtype_bytes_of(config), input_tokens(config)
    copied = size == 2 and family_of(layout).norm_in_float32
    norm = n * layout.d_model * (size + (4 if copied else 0))
    held = norm
    for linear in block.linears:
        rows = source if linear.source == "cross" else n
        held += rows * config.peft.linear_activation_bytes(linear, size)
        if linear.role in ("q", "k", "v"):
            # Heads are brought together for the product, which copies.
            held += rows * size * linear.out_features
    for keys in (n, source) if block.stack == "decoder" else (n,):
        # The attention's weights, and what the norm before it keeps.
        held += n * keys * layout.n_heads * size + norm
    return held


def _gate_entry_bytes(config: TrialConfig, layout: Layout) -> int:
    """Of each entry of the gate: the gate in float32, its input, its product, the density loss."""
    size = dtype_bytes_of(config)
    upcast, smooth = size == 2, ACTIVATIONS[config.activation].keeps_input(layout)
    gate = 4 + (size if upcast or smooth else 0) + (size if layout.gated else 0)
    return gate + config.density.entry_activation_bytes(upcast_gelu=upcast and smooth)


def transient_bytes(config: TrialConfig, layout: Layout) -> int:
    """Live for a moment in the backward pass: gradients of the widest layer, and unpacked
    weights.
    """
    size = dtype_bytes_of(config)
    examples = math.ceil(config.training.batch_size / config.training.accumulation)
    widest = examples * input_tokens(config) * layout.d_ff * (8 + 2 * size)
    largest = max(linear.n_parameters for linear in layout.linears)
    unpacked = config.quantization.unpacked_bytes(largest, size)
    return widest + unpacked + config.peft.transient_bytes(largest)


def evaluation_bytes(
    config: TrialConfig, layout: Layout, examples: int, dtype_bytes: int | None = None
) -> int:
    """Live at most while a batch is measured: at a gate with its count, at an attention, or at the
    logits; a cache while it writes.
    """
    size = dtype_bytes or dtype_bytes_of(config)
    n = input_tokens(config)
    stream = n * layout.d_model * 3 * size
    # Pre-activation, gate, its mask as numbers, and the native activation spelled out.
    at_gate = n * layout.d_ff * (4 * size + 12)
    at_attention = (
        n * n * layout.n_heads * (8 + size)
        + 3 * size * n * layout.blocks[0].linears[0].out_features
    )
    cache = 0
    if family_of(layout).text is not None and task_kind(config.task) != "classification":
        decoder = [b for b in layout.blocks if b.stack == "decoder"]
        cache = sum(
            2 * size * (n + target_tokens(config)) * b.linears[0].out_features for b in decoder
        )
    at_logits = _logit_bytes(config, layout, training=False, dtype_bytes=size)
    return examples * (stream + max(at_gate, at_attention, cache, at_logits))


def _logit_bytes(
    config: TrialConfig, layout: Layout, *, training: bool, dtype_bytes: int | None = None
) -> int:
    """Of one example: logits, the model's own loss over them, their float32 copy and its logarithm;
    in training their gradients.
    """
    if family_of(layout).text is None:
        return 0
    size = dtype_bytes or dtype_bytes_of(config)
    each = (
        size
        + (4 if size == 2 else 0)
        + 4
        + (4 + size if training and size == 2 else 4 if training else 0)
    )
    return target_tokens(config) * layout.vocab_size * each


def _tokens(config: TrialConfig, block: Block) -> int:
    return input_tokens(config) if block.stack == "encoder" else target_tokens(config)


def dtype_bytes_of(config: TrialConfig) -> int:
    """Of one entry in the trial's dtype."""
    return DTYPE_BYTES[config.dtype]

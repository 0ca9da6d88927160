"""Peak memory of a trial, phase by phase, projected from the model's shape: nothing is loaded, and
torch is not needed.

A trial of a search on the CPU also holds dense copies of packed weights, which count here and are
left out of the peak that its result states; where memory is measured alone, there are none.

A trial is highest while its base is built (the checkpoint in float32 beside its final form), while
a step trains (what the backward pass needs), or while it is measured. The tensors are counted; what
the allocator and the libraries hold besides are the constants below, measured with
`benchmarks/memory.py` on Flan-T5-small and MiniLM (glibc 2.36, one thread) after 60 steps. In
bfloat16 the first steps hold less on the CPU, and from about the fiftieth on no more is added: LoRA
on Flan-T5-small, batch 16, stood at 537, 643, 658 and 660 MiB after 8, 48, 96 and 200 steps. On a
GPU only tensors count, and the allocator's rounding. Activations are those of torch's own
operations; the CPU's kernels keep at most as much, so that a projection is an upper bound there.
"""

from dataclasses import dataclass
from typing import Literal

from deft_sweeps.config.axes.pruning.weight_pruning import CALIBRATION_CHUNK
from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.models.families import family_of
from deft_sweeps.projection.activation_memory import (
    activation_bytes,
    dtype_bytes_of,
    evaluation_bytes,
    transient_bytes,
)

Device = Literal["cpu", "cuda"]

DATA_BYTES = 20 * 2**20
"""Of the mapped examples and the library that maps them (CPU)."""
TRAIN_RUNTIME_BYTES = 45 * 2**20
"""Code and kernels that are loaded by the first step (CPU)."""
TRAIN_HEAP = {"fp32": 1.5, "bf16": 1.0}
"""Resident bytes a live byte of training: glibc keeps freed blocks that later ones, of other
lengths, do not fit into."""
TRAIN_RAGGED_BYTES = {"fp32": 25 * 2**20, "bf16": 170 * 2**20}
"""What is held besides after some dozen steps, whatever the batch: the smaller blocks of bfloat16
stay on the heap, where few fit."""
PACKED_HEAP_BYTES = 2.4
"""What packing leaves in the heap, a packed weight (CPU)."""
CUDA_OVERHEAD = 1.1
"""Reserved bytes a live byte on a GPU; a round figure, not measured here."""
CUDA_CONTEXT_BYTES = 600 * 2**20
"""Of the driver's context and the kernels on a GPU; a round figure, not measured here."""


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
        """The largest of the three phases, in bytes."""
        return max(self.build, self.train, self.evaluate)

    @property
    def phase(self) -> str:
        """Name of the highest."""
        return max(("build", "train", "evaluate"), key=lambda name: int(getattr(self, name)))


def peak_bytes(
    config: TrialConfig,
    layout: Layout,
    evaluation: Evaluation,
    weights: int,
    adapter: int,
    optimizer: int,
    *,
    device: Device = "cpu",
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
    live = activation_bytes(config, layout) + transient_bytes(config, layout)
    measured = evaluation_bytes(config, layout, evaluation.batch_size)
    of_device = _cuda_peak if device == "cuda" else _cpu_peak
    return of_device(config, layout, weights, adapter + optimizer, live, measured)


def _cuda_peak(
    config: TrialConfig, layout: Layout, weights: int, added: int, live: int, measured: int
) -> Peak:
    """On a GPU: tensors, the allocator's rounding and the context.

    Args:
        config: of the trial.
        layout: of its model.
        weights: bytes of the base in its final form.
        added: bytes of the method and the optimiser.
        live: bytes of one micro-batch's backward pass.
        measured: bytes of one batch of the evaluation.
    """

    def reserved(n_bytes: int) -> int:
        return int(CUDA_CONTEXT_BYTES + CUDA_OVERHEAD * n_bytes)

    build = _cuda_build_bytes(config, layout, weights, _pruning_bytes(config, layout))
    standing = weights + added
    return Peak(
        build=reserved(build),
        train=reserved(standing + live),
        evaluate=reserved(standing + measured),
    )


def _cpu_peak(
    config: TrialConfig, layout: Layout, weights: int, added: int, live: int, measured: int
) -> Peak:
    """In a process on the CPU; arguments as in `_cuda_peak`."""
    float32 = config.dtype == "fp32"
    dense = 4 * layout.n_parameters
    n_packed = config.quantization.n_packed(layout)
    heap = _pruning_bytes(config, layout) + round(PACKED_HEAP_BYTES * n_packed)
    # Float32 weights stay mapped from the file; those that no pruning and packing reads are not
    # resident.
    read = 4 * n_packed if float32 and config.pruning.is_none else dense
    final = 0 if float32 and config.quantization.is_none else weights
    standing = (
        DATA_BYTES + _resident_weights(config, layout, weights) + heap + added + TRAIN_RUNTIME_BYTES
    ) + config.quantization.copy_bytes(layout, dtype_bytes_of(config))
    runtime = family_of(layout).evaluate_runtime_bytes
    return Peak(
        build=DATA_BYTES + heap + read + final,
        train=int(standing + TRAIN_RAGGED_BYTES[config.dtype] + TRAIN_HEAP[config.dtype] * live),
        evaluate=int(standing + runtime + config.quantization.evaluation_heap * measured),
    )


def _resident_weights(config: TrialConfig, layout: Layout, weights: int) -> int:
    """Of the base while it trains: float32 weights stay mapped from the file, packed ones too."""
    if config.dtype != "fp32":
        return weights
    dense = 4 * layout.n_parameters
    # Rows of the embedding that no text needs are never read.
    embedding = 0 if _is_tied(layout) else 4 * layout.d_model * layout.vocab_size
    in_file = 4 * (layout.n_parameters - config.quantization.n_packed(layout))
    return dense - embedding + weights - in_file


def _is_tied(layout: Layout) -> bool:
    """Whether the output projection reads every row of the token embedding."""
    return (
        family_of(layout).text is not None
        and layout.embedding_parameters == layout.vocab_size * layout.d_model
    )


def _cuda_build_bytes(config: TrialConfig, layout: Layout, weights: int, calibration: int) -> int:
    """On the GPU: dense weights of the blocks' layers come one layer at a time, for pruning and
    packing.
    """
    largest = 4 * max(linear.n_parameters for linear in layout.linears)
    packing = weights + (0 if config.quantization.is_none else largest)
    if config.pruning.is_none:
        return packing
    if not config.pruning.needs_calibration:
        return max(packing, largest + calibration)
    # Calibration runs with all but those layers there in float32, until the cast at the end.
    rest = layout.n_parameters - layout.linear_parameters
    return max(packing + (4 - dtype_bytes_of(config)) * rest, 4 * rest + largest + calibration)


def _pruning_bytes(config: TrialConfig, layout: Layout) -> int:
    """While weights are pruned: statistics and copies, or a calibration batch."""
    working = config.pruning.working_bytes(layout)
    if not config.pruning.needs_calibration:
        return working
    examples = min(CALIBRATION_CHUNK, config.pruning.calibration_examples)
    return max(working, evaluation_bytes(config, layout, examples, dtype_bytes=4))

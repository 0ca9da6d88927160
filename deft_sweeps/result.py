"""What one trial gave: frozen, JSON, with provenance. The store holds nothing else, and everything shown is derived from it."""

import math
from dataclasses import dataclass, field
from typing import Literal

from deft_sweeps.config.axes import check
from deft_sweeps.config.trial import TrialConfig, codec
from deft_sweeps.outcomes import NO_SCORES, ExampleScores, Outcomes

SCHEMA_VERSION = 1

Status = Literal["complete", "failed", "stopped"]
"""`complete` ran to its end; `failed` could not; `stopped` was stopped early by a scheduler and has no measured point."""

Label = Literal["measured", "proxy"]
"""`measured` alone on the machine; `proxy` beside other trials or in a worker that others have used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The task's metric on held-out examples.

    Attributes:
        metric: its name, `accuracy` say.
        value: in the metric's own range, [0, 1], or [-1, 1] for a correlation; higher is better.
        n_examples: it was taken over.
        standard_error: of `value`.
        also: the task's other official metrics by name: F1 beside exact match, Spearman's correlation beside Pearson's.
    """

    metric: str
    value: float
    n_examples: int
    standard_error: float
    also: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(math.isfinite(self.value) and math.isfinite(self.standard_error), "a finite score", self.value)
        check(all(map(math.isfinite, self.also.values())), "finite metrics beside the score", self.also)
        check(self.n_examples >= 1, "n_examples >= 1", self.n_examples)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedBlocks:
    """MLP blocks that were removed, by their place in the encoder and in the decoder, rising from 0."""

    encoder: tuple[int, ...] = ()
    decoder: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.encoder) + len(self.decoder)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockGates:
    """Trained gate of each MLP block, in [0, 1] and open above 1/2, in the order of the blocks; 0 for a block that was removed."""

    encoder: tuple[float, ...]
    decoder: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityReading:
    """Shares of gate entries that count as non-zero, each in [0, 1]; lower is sparser.

    Attributes:
        encoder_blocks: per MLP block of the encoder, in order (all blocks, where there is but one stack).
        decoder_blocks: per MLP block of the decoder; empty where there is none.
        skipped: blocks that were removed; each stands at 0 above, and counts as 0 in every mean but `kept`.
    """

    encoder_blocks: tuple[float, ...]
    decoder_blocks: tuple[float, ...]
    skipped: SkippedBlocks = SkippedBlocks()

    @property
    def overall(self) -> float:
        """Unweighted mean over the MLP blocks of both stacks."""
        blocks = self.encoder_blocks + self.decoder_blocks
        return sum(blocks) / len(blocks)

    @property
    def kept(self) -> float:
        """Mean over the blocks of both stacks that were not removed."""
        return sum(self.encoder_blocks + self.decoder_blocks) / (len(self.encoder_blocks + self.decoder_blocks) - len(self.skipped))

    @property
    def encoder(self) -> float:
        """Mean over the encoder's blocks; nan where there are none."""
        return sum(self.encoder_blocks) / len(self.encoder_blocks) if self.encoder_blocks else math.nan

    @property
    def decoder(self) -> float:
        """Mean over the decoder's blocks; nan where there are none."""
        return sum(self.decoder_blocks) / len(self.decoder_blocks) if self.decoder_blocks else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Score and density measured together, with the entries at or below the threshold really zeroed.

    Attributes:
        threshold: of |O|; 0 zeroes nothing. Where each block has its own, their mean.
        percentile: share of the entries that each block's own threshold zeroed on calibration examples; None where one threshold holds for
            all blocks.
        block_thresholds: those, in running order; empty where one threshold holds for all blocks.
        energy_ratio: of the blocks' linear layers on an accelerator that skips zeros, beside the same without a single zero; projected
            from counts, never measured; None where it was not.
        loss: what training minimises without the density loss: mean negative log-likelihood of the label tokens, in nats; of a head, of
            the classes, or of a span's two ends, or the mean squared error of a number.
        density: teacher-forced on the real labels, padding and virtual tokens left out, gate in float32; a mean over samples, which are
            windows where a context takes several.
        written_density: the same while the model writes its own answers; None where it writes none.
        example_scores: per held-out example in the split's order, for paired comparison; empty where the score is no mean of such.
        outcomes: what the score was taken of, for the same; None where there are example_scores.
    """

    threshold: float
    score: Score
    loss: float
    density: DensityReading
    written_density: DensityReading | None = None
    example_scores: ExampleScores = NO_SCORES
    percentile: float | None = None
    block_thresholds: tuple[float, ...] = ()
    energy_ratio: float | None = None
    outcomes: Outcomes | None = None

    def __post_init__(self) -> None:
        check((self.percentile is None) == (not self.block_thresholds), "block_thresholds if and only if a percentile", self.percentile)

    @property
    def is_unthresholded(self) -> bool:
        """Measured with nothing zeroed."""
        return self.threshold == 0 and self.percentile is None

    @property
    def at(self) -> str:
        """What tells the point from its trial's others: its threshold, or `p0.5` for the percentile 0.5."""
        return f"{self.threshold:g}" if self.percentile is None else f"p{self.percentile:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the trial costs.

    Attributes:
        label: whether latency and memory were taken alone (`measured`) or beside others (`proxy`).
        trainable_parameters: adapters, and a head where there is one.
        total_parameters: base and adapters, counted before quantization packs them.
        weight_bytes: of all parameters and quantization scales as held in memory.
        weight_sparsity: share of zeros among the weights that pruning may cut, in [0, 1].
        peak_memory_bytes: of the process above its size after imports; of the device's allocator on CUDA.
        latency_sec: median of one forward pass over the evaluation's fixed batch.
    """

    label: Label
    trainable_parameters: int
    total_parameters: int
    weight_bytes: int
    weight_sparsity: float
    peak_memory_bytes: int
    latency_sec: float
    build_time_sec: float
    train_time_sec: float
    evaluate_time_sec: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """One optimiser step: task loss and density loss before weighting, gradient norm before clipping."""

    step: int
    task_loss: float
    density_loss: float
    grad_norm: float
    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RungResult:
    """What an advance of some steps gave.

    Attributes:
        step: optimiser steps done so far.
        done: no step is left.
        steps: metrics of each step of this advance, for the tracker.
    """

    step: int
    done: bool
    steps: tuple[StepMetrics, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What was measured of a trial on its way, where early stopping asked for it; never a point of the front.

    Attributes:
        step: optimiser steps done.
        points: rising in their threshold, without per-example scores.
    """

    step: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Enough to run the trial again and to know what it ran on."""

    packages: dict[str, str]
    commit: str
    python: str
    device: str
    n_threads: int
    dataset_fingerprint: str
    checkpoint_revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One finished trial.

    Attributes:
        points: one a threshold, rising, then one a percentile, rising; empty unless `status` is complete.
        rungs: what was measured before its end, rising in steps; empty where nothing asked.
        exact_density: share of entries that are not exactly zero with the gate in the base's own dtype: the paper's count, shown as
            paper-compatible only; None where it was not taken.
        layer_sparsity: share of zeros of each layer that was pruned, by its name; empty where none was.
        skipped: MLP blocks that ADA-DEFT removed.
        block_gates: its trained scalars; None without it.
        error: why it failed; empty otherwise.
        started_at, finished_at: seconds since the epoch.
    """

    config: TrialConfig
    seed: int
    status: Status
    points: tuple[Point, ...] = ()
    rungs: tuple[Rung, ...] = ()
    exact_density: DensityReading | None = None
    layer_sparsity: dict[str, float] = field(default_factory=dict)
    cost: Cost | None = None
    skipped: SkippedBlocks = SkippedBlocks()
    block_gates: BlockGates | None = None
    provenance: Provenance | None = None
    error: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        check((self.status == "complete") == bool(self.points), "points if and only if the trial is complete", self.status)

    @property
    def config_id(self) -> str:
        return self.config.config_id

    @property
    def trial_id(self) -> str:
        return self.config.trial_id(self.seed)

    def point_at(self, threshold: float) -> Point:
        """The point measured at `threshold` in all blocks.

        Raises:
            KeyError: none was.
        """
        for point in self.points:
            if point.threshold == threshold and point.percentile is None:
                return point
        raise KeyError(f"{self.trial_id} was not measured at threshold {threshold:g}")

    def to_json(self) -> bytes:
        """UTF-8 JSON that `from_json` reads back to an equal result."""
        return codec(TrialResult).dump_json(self, indent=1) + b"\n"

    @staticmethod
    def from_json(text: bytes) -> "TrialResult":
        """Read what `to_json` wrote.

        Raises:
            ValueError: not such a JSON, or of a newer schema than this version reads.
        """
        result: TrialResult = codec(TrialResult).validate_json(text)
        if result.schema_version > SCHEMA_VERSION:
            raise ValueError(f"schema version {result.schema_version} is newer than {SCHEMA_VERSION}, which this version reads")
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalMeasurement:
    """A point measured once on the test split, alone in a fresh process.

    Attributes:
        role: `chosen`; `baseline`, the plain PEFT that the policy compares with; `twin`, plain PEFT of the same other settings as the
            chosen one, thresholded to the chosen one's density.
        point: on the test split; a twin's threshold was calibrated on validation examples.
    """

    role: Literal["chosen", "baseline", "twin"]
    trial_id: str
    point: Point
    cost: Cost
    provenance: Provenance
    schema_version: int = SCHEMA_VERSION

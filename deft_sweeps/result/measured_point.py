"""Score and density of a trained trial at one threshold."""

import math
from dataclasses import dataclass, field

from deft_sweeps.config.axes import check
from deft_sweeps.outcomes import NO_SCORES, ExampleScores, Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The task's metric on held-out examples.

    Attributes:
        metric: its name, `accuracy` say.
        value: in the metric's own range, [0, 1], or [-1, 1] for a correlation; higher is better.
        n_examples: it was taken over.
        standard_error: of `value`.
        also: the task's other official metrics by name: F1 beside exact match, Spearman's
            correlation beside Pearson's.
    """

    metric: str
    value: float
    n_examples: int
    standard_error: float
    also: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(
            math.isfinite(self.value) and math.isfinite(self.standard_error),
            "a finite score",
            self.value,
        )
        check(
            all(map(math.isfinite, self.also.values())),
            "finite metrics beside the score",
            self.also,
        )
        check(self.n_examples >= 1, "n_examples >= 1", self.n_examples)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedBlocks:
    """MLP blocks that were removed, by their place in the encoder and in the decoder, rising from
    0.
    """

    encoder: tuple[int, ...] = ()
    decoder: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.encoder) + len(self.decoder)


NO_BLOCKS = SkippedBlocks()


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityReading:
    """Shares of gate entries that count as non-zero, each in [0, 1]; lower is sparser.

    Attributes:
        encoder_blocks: per MLP block of the encoder, in order (all blocks, where there is but one
            stack).
        decoder_blocks: per MLP block of the decoder; empty where there is none.
        skipped: blocks that were removed; each stands at 0 above, and counts as 0 in every mean but
            `kept`.
    """

    encoder_blocks: tuple[float, ...]
    decoder_blocks: tuple[float, ...]
    skipped: SkippedBlocks = NO_BLOCKS

    @property
    def overall(self) -> float:
        """Unweighted mean over the MLP blocks of both stacks."""
        blocks = self.encoder_blocks + self.decoder_blocks
        return sum(blocks) / len(blocks)

    @property
    def of_kept_blocks(self) -> float:
        """Mean over the blocks of both stacks that were not removed."""
        return sum(self.encoder_blocks + self.decoder_blocks) / (
            len(self.encoder_blocks + self.decoder_blocks) - len(self.skipped)
        )

    @property
    def encoder(self) -> float:
        """Mean over the encoder's blocks; nan where there are none."""
        return (
            sum(self.encoder_blocks) / len(self.encoder_blocks) if self.encoder_blocks else math.nan
        )

    @property
    def decoder(self) -> float:
        """Mean over the decoder's blocks; nan where there are none."""
        return (
            sum(self.decoder_blocks) / len(self.decoder_blocks) if self.decoder_blocks else math.nan
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Score and density measured together, with the entries at or below the threshold really
    zeroed.

    Attributes:
        threshold: of |O|; 0 zeroes nothing. Where each block has its own, their mean.
        percentile: share of the entries that each block's own threshold zeroed on calibration
            examples; None where one threshold holds for all blocks.
        block_thresholds: those, in running order; empty where one threshold holds for all blocks.
        energy_ratio: of the blocks' linear layers on an accelerator that skips zeros, beside the
            same without a single zero; projected from counts, never measured; None where it was
            not.
        loss: what training minimises without the density loss: mean negative log-likelihood of the
            label tokens, in nats; of a head, of the classes, or of a span's two ends, or the mean
            squared error of a number.
        density: teacher-forced on the real labels, padding and virtual tokens left out, gate in
            float32; a mean over samples, which are windows where a context takes several.
        written_density: the same while the model writes its own answers; None where it writes none.
        example_scores: per held-out example in the split's order, for paired comparison; empty
            where the score is no mean of such.
        outcomes: what the score was taken of, for the same; None where there are example_scores.
        float_saturation: the zeros that the density counts are, in some block, those of a smooth
            activation (GELU, SiLU) without a threshold: the float saturates there, so the kernel
            and the dtype decide the count, and no work is saved.
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
    float_saturation: bool = False

    def __post_init__(self) -> None:
        check(
            (self.percentile is None) == (not self.block_thresholds),
            "block_thresholds if and only if a percentile",
            self.percentile,
        )

    @property
    def is_unthresholded(self) -> bool:
        """Measured with nothing zeroed."""
        return self.threshold == 0 and self.percentile is None

    @property
    def at(self) -> str:
        """What tells the point from its trial's others: its threshold, or `p0.5` for the percentile
        0.5.
        """
        return _place(self.threshold, self.percentile)


def point_name(trial_id: str, threshold: float, percentile: float | None = None) -> str:
    """`<trial_id>@<threshold>`, or `<trial_id>@p<percentile>`; unique in a sweep."""
    return f"{trial_id}@{_place(threshold, percentile)}"


def _place(threshold: float, percentile: float | None) -> str:
    return f"{threshold:g}" if percentile is None else f"p{percentile:g}"

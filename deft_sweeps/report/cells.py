"""Figures as the cells of a table, each with what it is: measured, or a proxy taken beside other
trials.
"""

import math
from collections.abc import Sequence

from deft_sweeps.findings.equal_density import density_change
from deft_sweeps.findings.front_member import FrontMember
from deft_sweeps.metrics import score_range
from deft_sweeps.result import Cost, DensityReading, Score, SkippedBlocks
from deft_sweeps.statistics.paired_difference import METHODS, Z_95, PairedDifference

DENSITY_NOTE = (
    "density = share of gate entries with |O| > threshold, mean over MLP blocks; in brackets"
    " encoder / decoder"
)
SCORE_NOTE = "score ± one standard error"
SEEDS_NOTE = (
    "of several seeds the means stand there, the score's with its 95% interval over training seeds"
    " (t distribution, same examples); the trial named is the one nearest them"
)


def score_text(score: Score) -> str:
    return f"{score.value:.3f} ± {score.standard_error:.3f}"


def member_score_text(member: FrontMember) -> str:
    """The score, of several seeds their mean and its 95 % interval."""
    mean = member.over_seeds("score")
    return (
        score_text(member.point.score)
        if mean is None
        else f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"
    )


def member_density_text(member: FrontMember) -> str:
    """The density, of several seeds the means."""
    if not member.seeds:
        return density_text(member.point.density)
    overall, *stacks = (
        member.values.get(name, math.nan)
        for name in ("activation_density", "encoder_density", "decoder_density")
    )
    return _share(overall) + (
        "" if any(map(math.isnan, stacks)) else f" ({' / '.join(map(_share, stacks))})"
    )


def density_text(density: DensityReading) -> str:
    """Overall, then encoder / decoder where there are both, then over the kept blocks where some
    were removed.
    """
    both = density.decoder_blocks and density.encoder_blocks
    told = (
        f"{_share(density.overall)} ({_share(density.encoder)} / {_share(density.decoder)})"
        if both
        else _share(density.overall)
    )
    return f"{told}; kept blocks {_share(density.kept)}" if density.skipped else told


def skipped_text(skipped: SkippedBlocks) -> str:
    """Blocks by their number in their stack, from 1 as in the figure: `encoder 3; decoder 5, 6`."""
    stacks = (("encoder", skipped.encoder), ("decoder", skipped.decoder))
    return (
        "; ".join(
            f"{stack} {', '.join(str(index + 1) for index in blocks)}"
            for stack, blocks in stacks
            if blocks
        )
        or "none"
    )


def change_text(deft: DensityReading, plain: DensityReading) -> str:
    """(plain - DEFT) / plain, overall, then encoder / decoder where there are both."""
    pairs = (
        (plain.overall, deft.overall),
        (plain.encoder, deft.encoder),
        (plain.decoder, deft.decoder),
    )
    overall, *stacks = (
        "–" if not before > 0 else f"{density_change(before, after):.3f}" for before, after in pairs
    )
    return (
        f"{overall} ({' / '.join(stacks)})"
        if plain.encoder_blocks and plain.decoder_blocks
        else overall
    )


def difference_text(difference: PairedDifference | None) -> str:
    if difference is None:
        return "–"
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"


def methods_told(differences: Sequence[PairedDifference | None]) -> str:
    """How the differences of a table were taken."""
    return (
        " or ".join(
            METHODS[method]
            for method in METHODS
            if any(d is not None and d.method == method for d in differences)
        )
        or METHODS["mean"]
    )


def latency_text(cost: Cost | None) -> str:
    return "–" if cost is None else f"{cost.latency_sec * 1e3:.3g} ms {cost.label}"


def memory_text(cost: Cost | None) -> str:
    return "–" if cost is None else f"{cost.peak_memory_bytes / 2**20:.0f} MiB {cost.label}"


def weights_text(cost: Cost | None) -> str:
    return "–" if cost is None else f"{cost.weight_bytes / 2**20:.1f} MiB"


def interval_text(score: Score) -> str:
    """95% interval of a score, normal approximation, cut to the metric's range."""
    reach, (worst, best) = Z_95 * score.standard_error, score_range(score.metric)
    return f"{max(worst, score.value - reach):.3f} to {min(best, score.value + reach):.3f}"


def cost_columns(
    costs: Sequence[Cost | None],
) -> tuple[tuple[str, str, str], list[tuple[str, str, str]]]:
    """Heads and cells of weights, peak memory and latency; a label that all of them share stands in
    the head, not in every cell.
    """
    labels = {cost.label for cost in costs if cost is not None}
    shared = f" {labels.pop()}" if len(labels) == 1 else ""
    told = f", {shared.strip()}" if shared else ""
    cells = [
        (
            weights_text(cost),
            memory_text(cost).removesuffix(shared),
            latency_text(cost).removesuffix(shared),
        )
        for cost in costs
    ]
    return (">weights", f">peak memory{told}", f">latency{told}"), cells


def _share(value: float) -> str:
    return (
        "–"
        if math.isnan(value)
        else f"{value:.3f}"
        if value >= 0.001 or value == 0
        else f"{value:.1e}"
    )

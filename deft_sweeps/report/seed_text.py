"""The sentence about the seed's part in a difference of two trainings."""

from deft_sweeps.metrics import SCORE
from deft_sweeps.statistics.seed_spread import SeedSpread

PUBLISHED_REACH = "0.04"
"""The README's figure for Flan-T5-small (`python -m benchmarks.equal_density`)."""


def seeds_told(spread: SeedSpread | None, of: str = "this sweep") -> str:
    """How far the seed alone moves a score, a sentence without its capital and full stop."""
    if spread is None:
        return (
            "how far two trainings of one configuration differ by their seed alone is not known"
            f" from {of}; it was {PUBLISHED_REACH} in score in the README's tables (95 %)"
        )
    return (
        "two trainings of one configuration that differ in their seed alone differ by up to"
        f" {SCORE.text(spread.reach)} in score (95 %, pooled over {spread.n_configurations}"
        f" repeated configuration{'s' if spread.n_configurations > 1 else ''} of {of})"
    )

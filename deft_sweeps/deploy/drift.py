"""The drift gate: whether a runtime gives the scores that the torch runtime gives on the same
examples.

It compares log-probabilities and logits, never decoded text: a conversion can get every
log-probability wrong and still write the same words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.deploy.runtime import GeneratedText

_MASKED = float(np.finfo(np.float32).min) / 2
"""Logits below it stand on padding, where a span's head gives the lowest float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTolerance:
    """How far a runtime's scores may be from torch's.

    Attributes:
        largest: absolute difference of any score, in nats or in a logit's unit.
        mean: absolute difference, over all scores.
        changed: share of examples, in [0, 1], whose prediction may differ.
    """

    largest: float
    mean: float
    changed: float


EXACT = DriftTolerance(largest=1e-3, mean=1e-4, changed=0.0)
"""Of the same weights in float32 on both sides, without a threshold: another order of summation.
Measured on the packaged Flan-T5-small: 1e-5 and 2e-6 (CTranslate2)."""

THRESHOLDED = DriftTolerance(largest=0.5, mean=5e-3, changed=0.005)
"""The same with a threshold. A gate entry within rounding of the threshold is dropped on one side
and counts on the other, so single scores jump. Measured at threshold 0.5: 0.07 and 4e-4 (ONNX)."""

ROUNDED = DriftTolerance(largest=2.0, mean=0.1, changed=0.02)
"""If one side computes in bfloat16, with 8 significant bits, or in int8. Measured at threshold 0.5:
float32 is 0.9 and 0.07 from bfloat16, in the same runtime."""


def tolerance_for(*, rounded: bool, thresholded: bool) -> DriftTolerance:
    """The tolerance of a comparison.

    Args:
        rounded: one side computes in bfloat16 or int8.
        thresholded: both sides drop gate entries.
    """
    if rounded:
        return ROUNDED
    return THRESHOLDED if thresholded else EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far a runtime's scores are from torch's on the same examples.

    Attributes:
        largest_difference: absolute, of any score.
        mean_difference: absolute, over all scores.
        changed_share: of examples whose prediction differs, in [0, 1].
        n_examples: that were compared.
        tolerance: that the verdict is by.
    """

    largest_difference: float
    mean_difference: float
    changed_share: float
    n_examples: int
    tolerance: DriftTolerance

    @property
    def drifts(self) -> bool:
        """Whether any of the three is beyond its tolerance, or no number."""
        return bool(self.reasons)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is beyond its tolerance, each a sentence."""
        limits = self.tolerance
        lines = (
            ("largest difference of a score", self.largest_difference, limits.largest),
            ("mean difference of the scores", self.mean_difference, limits.mean),
            ("share of changed predictions", self.changed_share, limits.changed),
        )
        return tuple(
            f"{what} is {value:.3g}, more than {limit:g}"
            for what, value, limit in lines
            if not value <= limit
        )


def score_drift(
    reference: NDArray[np.float32],
    scores: NDArray[np.float32],
    tolerance: DriftTolerance,
    *,
    over_tokens: bool = False,
) -> Drift:
    """Compare classes' log-probabilities or a head's logits.

    Args:
        reference: the torch runtime's; (examples, scores), or (examples, tokens, 2) of a span.
        scores: the other runtime's, same shape.
        tolerance: of the verdict.
        over_tokens: a span's head, whose predictions are the best start and end among tokens.

    Raises:
        ValueError: the shapes differ, or there are no examples.
    """
    if reference.shape != scores.shape or not len(reference):
        raise ValueError(
            "expected scores of the same examples, at least one, got shapes"
            f" {reference.shape} and {scores.shape}"
        )
    axis = 1 if over_tokens else -1
    changed = reference.argmax(axis) != scores.argmax(axis)
    real = reference > _MASKED
    return _drift(reference[real], scores[real], changed.reshape(len(reference), -1), tolerance)


def text_drift(
    reference: Sequence[GeneratedText], texts: Sequence[GeneratedText], tolerance: DriftTolerance
) -> Drift:
    """Compare how probable generated texts are, each against torch's of the same input: the mean
    log-probability of the tokens and that of an empty text.

    Args:
        reference: the torch runtime's.
        texts: the other runtime's, in the same order.
        tolerance: of the verdict; a text counts as changed if any token is.

    Raises:
        ValueError: there are not as many on both sides, or none.
    """
    if len(reference) != len(texts) or not texts:
        raise ValueError(
            f"expected texts of the same inputs, at least one, got {len(reference)} and"
            f" {len(texts)}"
        )
    pairs = zip(reference, texts, strict=True)
    changed = np.array([[one.token_ids != other.token_ids] for one, other in pairs])
    return _drift(_sureness(reference), _sureness(texts), changed, tolerance)


def joined(parts: Sequence[Drift]) -> Drift:
    """The drift over several batches, compared by the same tolerance.

    Raises:
        ValueError: there are none.
    """
    if not parts:
        raise ValueError("expected at least one compared batch, got none")
    counts = np.array([part.n_examples for part in parts])
    weights = counts / counts.sum()
    return Drift(
        largest_difference=max(part.largest_difference for part in parts),
        mean_difference=float(weights @ [part.mean_difference for part in parts]),
        changed_share=float(weights @ [part.changed_share for part in parts]),
        n_examples=int(counts.sum()),
        tolerance=parts[0].tolerance,
    )


def _sureness(texts: Sequence[GeneratedText]) -> NDArray[np.float64]:
    return np.array([[text.mean_log_probability, text.empty_log_probability] for text in texts])


def _drift(
    reference: NDArray[np.floating],
    scores: NDArray[np.floating],
    changed: NDArray[np.bool_],
    tolerance: DriftTolerance,
) -> Drift:
    difference = np.abs(reference.astype(np.float64) - scores.astype(np.float64))
    return Drift(
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        changed_share=float(changed.any(-1).mean()),
        n_examples=len(changed),
        tolerance=tolerance,
    )

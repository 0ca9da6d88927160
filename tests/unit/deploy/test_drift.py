import math

import numpy as np
import pytest

from deft_sweeps.deploy.drift import (
    EXACT,
    ROUNDED,
    THRESHOLDED,
    DriftTolerance,
    joined,
    score_drift,
    text_drift,
    tolerance_for,
)
from deft_sweeps.deploy.runtime import GeneratedText

TOLERANCE = DriftTolerance(largest=0.3, mean=0.1, changed=0.25)


def test_class_scores_by_hand() -> None:
    reference = np.array([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.5], [-1.0, -4.0]], np.float32)
    scores = reference + np.array([[0.1, 0.0], [0, 0], [-0.2, 0.4], [0, 0]], np.float32)
    drift = score_drift(reference, scores, TOLERANCE)
    assert drift.largest_difference == pytest.approx(0.4)
    assert drift.mean_difference == pytest.approx(0.7 / 8)
    assert drift.changed_share == 0.25, "of the third example alone"
    assert drift.n_examples == 4
    assert drift.reasons == ("largest difference of a score is 0.4, more than 0.3",)


def test_each_of_the_three_can_make_the_verdict() -> None:
    reference = np.array([[0.0, -1.0]] * 10, np.float32)
    once = reference.copy()
    once[0, 1] -= 2.0
    assert [line.split(" is ")[0] for line in score_drift(reference, once, TOLERANCE).reasons] == [
        "largest difference of a score"
    ]
    everywhere = score_drift(reference, reference - 0.2, TOLERANCE)
    assert [line.split(" is ")[0] for line in everywhere.reasons] == [
        "mean difference of the scores"
    ]
    close = np.array([[0.0, -0.01]] * 10, np.float32)
    turned = score_drift(close, close[:, ::-1].copy(), TOLERANCE)
    assert turned.reasons == ("share of changed predictions is 1, more than 0.25",)
    assert not score_drift(reference, reference, EXACT).drifts


def test_what_is_no_number_drifts() -> None:
    reference = np.zeros((2, 2), np.float32)
    scores = np.array([[0.0, math.nan], [0.0, 0.0]], np.float32)
    assert score_drift(reference, scores, ROUNDED).drifts


def test_a_spans_padding_does_not_count() -> None:
    reference = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]], np.float32)
    reference[0, 2] = np.finfo(np.float32).min
    scores = reference.copy()
    scores[0, 0, 0] = 1.2
    drift = score_drift(reference, scores, TOLERANCE, over_tokens=True)
    assert drift.largest_difference == pytest.approx(0.2)
    assert drift.mean_difference == pytest.approx(0.05)
    assert drift.changed_share == 0
    scores[0, 1, 0] = 1.3
    assert score_drift(reference, scores, TOLERANCE, over_tokens=True).changed_share == 1


def test_equal_texts_with_other_probabilities_drift() -> None:
    reference = [GeneratedText((5, 6), -0.005, -9.0)] * 4
    texts = [GeneratedText((5, 6), -17.76, -9.0)] * 4
    drift = text_drift(reference, texts, ROUNDED)
    assert drift.changed_share == 0
    assert drift.largest_difference == pytest.approx(17.755)
    assert drift.mean_difference == pytest.approx(17.755 / 2)
    assert drift.drifts


def test_a_changed_token_changes_the_prediction() -> None:
    reference = [GeneratedText((5, 6), -0.5, -9.0)] * 4
    texts = [*reference[:3], GeneratedText((5, 7), -0.5, -9.0)]
    assert text_drift(reference, texts, EXACT).changed_share == 0.25


def test_batches_are_joined_as_if_they_were_one() -> None:
    draw = np.random.default_rng(0)
    reference = draw.normal(size=(7, 3)).astype(np.float32)
    scores = reference + draw.normal(size=(7, 3)).astype(np.float32)
    parts = [score_drift(reference[a:b], scores[a:b], EXACT) for a, b in ((0, 2), (2, 7))]
    whole = score_drift(reference, scores, EXACT)
    assert joined(parts).largest_difference == whole.largest_difference
    assert joined(parts).mean_difference == pytest.approx(whole.mean_difference)
    assert joined(parts).changed_share == pytest.approx(whole.changed_share)
    assert joined(parts).n_examples == 7


def test_what_cannot_be_compared_is_refused() -> None:
    some = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match=r"got shapes \(2, 2\) and \(1, 2\)"):
        score_drift(some, some[:1], EXACT)
    with pytest.raises(ValueError, match="at least one"):
        score_drift(some[:0], some[:0], EXACT)
    with pytest.raises(ValueError, match="got 1 and 0"):
        text_drift([GeneratedText((), -1.0, -1.0)], [], EXACT)
    with pytest.raises(ValueError, match="at least one compared batch"):
        joined([])


def test_tolerances_widen_with_what_rounds() -> None:
    assert tolerance_for(rounded=False, thresholded=False) is EXACT
    assert tolerance_for(rounded=False, thresholded=True) is THRESHOLDED
    assert tolerance_for(rounded=True, thresholded=False) is ROUNDED
    for narrow, wide in ((EXACT, THRESHOLDED), (THRESHOLDED, ROUNDED)):
        assert narrow.largest < wide.largest
        assert narrow.mean < wide.mean
        assert narrow.changed < wide.changed

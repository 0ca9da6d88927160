from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from deft_sweeps.task_metrics import score, score_all
from deft_sweeps.task_metrics.answer_match import exact_match, normalised, token_f1
from deft_sweeps.task_metrics.correlation import ranks
from deft_sweeps.task_metrics.scoring import N_RESAMPLES

classes = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)
binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)
numbers = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), min_size=2, max_size=30)


def value(metric: str, pairs: Any) -> float:
    predictions, references = zip(*pairs, strict=True)
    return score(metric, predictions, references).score.value


@settings(deadline=None, max_examples=25)
@given(classes, binary)
def test_classes_are_scored_as_scikit_learn_does(
    pairs: list[tuple[int, int]], two: list[tuple[int, int]]
) -> None:
    predicted, actual = zip(*pairs, strict=True)
    assert value("accuracy", pairs) == pytest.approx(reference.accuracy_score(actual, predicted))
    assert value("matthews", pairs) == pytest.approx(reference.matthews_corrcoef(actual, predicted))
    predicted, actual = zip(*two, strict=True)
    assert value("f1", two) == pytest.approx(reference.f1_score(actual, predicted, zero_division=0))


@settings(deadline=None, max_examples=10)
@given(numbers)
def test_numbers_are_scored_as_scipy_does(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    assert ranks(a, np.ones((1, len(a))))[0].tolist() == stats.rankdata(a).tolist()
    flat = np.ptp(a) == 0 or np.ptp(b) == 0
    assert value("pearson", pairs) == (
        0 if flat else pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
    )
    assert value("spearman", pairs) == (
        0 if flat else pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    )


def test_a_constant_that_rounding_blurs_has_no_correlation() -> None:
    assert score("pearson", [0.1] * 3, [1.0, 2.0, 4.0]).score.value == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Eiffel  Tower!", "eiffel tower"),
        ("a an the", ""),
        ("Another theory", "another theory"),
        ("U.S.", "us"),
        ("the-end", "theend"),
        ("10,000 m", "10000 m"),
        ("\tAn\napple", "apple"),
    ],
)
def test_normalisation(text: str, expected: str) -> None:
    assert normalised(text) == expected


@pytest.mark.parametrize(
    ("prediction", "golds", "match", "f1"),
    [
        ("The Denver Broncos.", ["Denver Broncos", "Broncos"], 1, 1),
        ("Broncos", ["Denver Broncos", "Carolina"], 0, 2 / 3),
        # Two of three words are right, out of three: 2 * 2 / (3 + 3).
        ("in Santa Clara", ["Santa Clara, California"], 0, 2 / 3),
        # A word counts as often as both have it: one `the` is no word, `no` is common twice.
        ("no no no", ["no no"], 0, 2 * 2 / 5),
        ("Paris", ["London"], 0, 0),
        ("", ["London"], 0, 0),
        ("", [], 1, 1),
        ("Paris", [], 0, 0),
        ("the", [], 1, 1),
        # A gold answer of nothing but an article is none, unless it is all there is.
        ("", ["the", "cat"], 0, 0),
        ("", ["the"], 1, 1),
    ],
)
def test_answers_worked_by_hand(prediction: str, golds: list[str], match: float, f1: float) -> None:
    assert exact_match(prediction, golds) == match
    assert token_f1(prediction, golds) == pytest.approx(f1)


def test_means_come_with_their_examples_and_error() -> None:
    for metric, predictions, references in (
        ("accuracy", [0, 1, 1, 0], [0, 1, 0, 1]),
        ("exact_match", ["a b", "c", "d", "e"], [["b"], ["c", "x"], ["x"], ["y"]]),
        ("token_f1", ["b b", "c", "d", "e f"], [["b"], ["c", "x"], ["x"], ["f"]]),
    ):
        scored = score(metric, predictions, references)
        each = scored.example_scores.array()
        assert scored.score.value == pytest.approx(each.mean())
        assert scored.score.standard_error == pytest.approx(each.std() / 2)
    share = score("accuracy", [0, 1, 1, 0], [0, 1, 0, 0]).score
    assert share.standard_error == pytest.approx((0.75 * 0.25 / 4) ** 0.5)


def test_the_error_of_a_correlation_is_that_of_theory() -> None:
    # Of two normal variables: (1 - r^2) / sqrt(n); the tolerance is four standard errors of a
    # deviation from N_RESAMPLES samples.
    generator = np.random.default_rng(1)
    a = generator.normal(size=2000)
    b = 0.6 * a + 0.8 * generator.normal(size=2000)
    scored = score("pearson", a, b).score
    assert scored.standard_error == pytest.approx(
        (1 - scored.value**2) / 2000**0.5, rel=4 / (2 * N_RESAMPLES) ** 0.5
    )
    assert score("pearson", a, b) == score("pearson", a, b)


def test_the_error_of_f1_is_that_of_resampled_examples() -> None:
    generator = np.random.default_rng(2)
    actual = generator.integers(0, 2, 500)
    predicted = np.where(generator.random(500) < 0.8, actual, 1 - actual)
    for metric, of in (("f1", reference.f1_score), ("matthews", reference.matthews_corrcoef)):
        draws = [generator.integers(500, size=500) for _ in range(100)]
        naive = np.std([of(actual[draw], predicted[draw]) for draw in draws])
        assert score(metric, predicted, actual).score.standard_error == pytest.approx(
            naive, rel=0.35
        )


def test_other_metrics_stand_beside_the_first() -> None:
    scored = score_all(("exact_match", "token_f1"), ["a b c", "d"], [["b"], ["d"]])
    assert (scored.score.metric, scored.score.value) == ("exact_match", 0.5)
    assert scored.score.also == {"token_f1": pytest.approx((2 / 3 + 1) / 2)}
    assert tuple(scored.example_scores) == (0.0, 1.0)
    assert score_all(("pearson", "spearman"), [1.0, 2.0, 9.0], [1.0, 2.0, 3.0]).score.also == {
        "spearman": pytest.approx(1.0)
    }


def test_what_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="got 1 for 2"):
        score("accuracy", [1], [1, 0])
    with pytest.raises(ValueError, match="got 0 for 0"):
        score("pearson", [], [])
    with pytest.raises(ValueError, match=r"expected one of accuracy, .* got 'bleu'"):
        score("bleu", [1], [1])

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deft_sweeps.tasks.spans import WindowScores, best_answers, best_span

CONTEXT = "In 1889 the tower opened in Paris"
WORDS = [(0, 2), (3, 7), (8, 11), (12, 17), (18, 24), (25, 27), (28, 33)]


def window(
    example: int, words: list[tuple[int, int]], logits: np.ndarray, n_before: int = 3
) -> WindowScores:
    """A window of the context's words behind some tokens that are not of it, one of them at the end
    too.
    """
    spans = [(-1, -1)] * n_before + words + [(-1, -1)]
    return WindowScores(
        example,
        [b for b, _ in spans],
        [e for _, e in spans],
        logits[0, : len(spans) + 2],
        logits[1, : len(spans) + 2],
    )


def naive(windows: list[WindowScores], max_answer_tokens: int) -> tuple[float, set[str]]:
    """The largest sum over all pairs of positions that make a span, and every text that reaches
    it.
    """
    best, texts = -math.inf, set[str]()
    for w in windows:
        for i, begin in enumerate(w.begins):
            for j, end in enumerate(w.ends):
                if begin < 0 or end < 0 or j < i or j - i + 1 > max_answer_tokens:
                    continue
                total = float(w.start[i]) + float(w.end[j])
                if total > best:
                    best, texts = total, set()
                if total == best:
                    texts.add(CONTEXT[begin:end])
    return best, texts


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 9), st.booleans())
def test_the_best_span_is_that_of_all_pairs(
    seed: int, max_answer_tokens: int, coarse: bool
) -> None:
    generator = np.random.default_rng(seed)
    # Coarse logits tie often.
    logits = [np.round(generator.normal(size=(2, 16)), 0 if coarse else 6) for _ in range(4)]
    first = [window(0, WORDS[:4], logits[0]), window(0, WORDS[2:], logits[1])]
    second = [window(1, WORDS[3:], logits[2]), window(1, [], logits[3])]
    answers = best_answers(
        [second[0], *first, second[1]], [CONTEXT, CONTEXT], max_answer_tokens=max_answer_tokens
    )
    for answer, windows in zip(answers, (first, second), strict=True):
        assert answer in naive(windows, max_answer_tokens)[1]
    span = best_span(first[0], max_answer_tokens)
    assert span.score == naive(first[:1], max_answer_tokens)[0]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([-1.0, 0.0, 2.0]))
def test_no_answer_where_the_lowest_null_score_beats_the_best_span(
    seed: int, threshold: float
) -> None:
    generator = np.random.default_rng(seed)
    windows = [
        window(0, WORDS[:4], generator.normal(size=(2, 16))),
        window(0, WORDS[2:], generator.normal(size=(2, 16))),
    ]
    best, texts = naive(windows, 30)
    null = min(float(w.start[0] + w.end[0]) for w in windows)
    (answer,) = best_answers(windows, [CONTEXT], may_be_none=True, null_threshold=threshold)
    assert answer == "" if null - best > threshold else answer in texts
    (answer,) = best_answers(windows, [CONTEXT])
    assert answer in texts


def test_an_end_before_its_start_is_no_span() -> None:
    logits = np.full((2, 16), -5.0)
    logits[0, 5], logits[1, 4], logits[1, 6] = 9.0, 9.0, 1.0
    assert best_answers([window(0, WORDS, logits)], [CONTEXT]) == ["the tower"]


def test_what_is_no_context_answers_nothing() -> None:
    logits = np.full((2, 16), -5.0)
    logits[:, :3] = 9.0
    (answer,) = best_answers([window(0, WORDS, logits)], [CONTEXT])
    assert answer == "In"
    assert best_answers([window(0, [], logits)], [CONTEXT, CONTEXT]) == ["", ""]

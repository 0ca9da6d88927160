"""From a head's start and end logits over windows of a context to the text of the answer. numpy
only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_ANSWER_TOKENS = 30
"""Longest answer, as in BERT's own evaluation."""


@dataclass(frozen=True, slots=True)
class WindowScores:
    """One window of an example's context, with what the model said of it.

    Attributes:
        example: index of the example.
        begins: (tokens,), where in the context each token's text begins; -1 for a token that is not
            the context's.
        ends: (tokens,), where it ends, exclusive; -1 likewise.
        start: (tokens or more,), logits of the answer's first token; what is beyond the tokens is
            padding.
        end: likewise of its last token.
    """

    example: int
    begins: Sequence[int]
    ends: Sequence[int]
    start: NDArray[Any]
    end: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens first to last, both included, and the sum of their logits; first > last where a window
    has no token of the context.
    """

    first: int
    last: int
    score: float


def best_answers(
    windows: Sequence[WindowScores],
    contexts: Sequence[str],
    *,
    may_be_none: bool = False,
    max_answer_tokens: int = MAX_ANSWER_TOKENS,
    null_threshold: float = 0.0,
) -> list[str]:
    """The text of the best span over all windows of each example.

    Args:
        windows: of all examples, in any order.
        contexts: of each example, which the windows' places count in.
        may_be_none: whether a question may have no answer (SQuAD v2). The logits of the first token
            then stand for that: no answer where the lowest such sum over the windows is above the
            best span's by more than `null_threshold`.
        max_answer_tokens: of the longest answer.
        null_threshold: in logits.

    Returns:
        One text an example, empty where there is no answer.
    """
    best = [Span(1, 0, -math.inf)] * len(contexts)
    where: list[WindowScores | None] = [None] * len(contexts)
    null = [math.inf] * len(contexts)
    for window in windows:
        i = window.example
        null[i] = min(null[i], float(window.start[0]) + float(window.end[0]))
        span = best_span(window, max_answer_tokens)
        if span.score > best[i].score:
            best[i], where[i] = span, window
    answers = []
    for context, span, best_window, without in zip(contexts, best, where, null, strict=True):
        none = best_window is None or (may_be_none and without - span.score > null_threshold)
        answers.append(
            ""
            if none or best_window is None
            else context[best_window.begins[span.first] : best_window.ends[span.last]]
        )
    return answers


def best_span(window: WindowScores, max_answer_tokens: int) -> Span:
    """The span with the largest sum of start and end logits: of context tokens only, its end not
    before its start.

    Of equal ones the shortest, then the first.
    """
    n = len(window.begins)
    real = np.asarray(window.begins) >= 0
    start = np.where(real, np.asarray(window.start[:n], dtype=np.float64), -np.inf)
    end = np.where(real, np.asarray(window.end[:n], dtype=np.float64), -np.inf)
    best = Span(1, 0, -math.inf)
    for beyond in range(min(max_answer_tokens, n)):
        sums = start[: n - beyond] + end[beyond:]
        first = int(np.argmax(sums))
        if sums[first] > best.score:
            best = Span(first, first + beyond, float(sums[first]))
    return best

"""Metrics of SQuAD: texts against the best of the texts that are right."""

import re
import string
from collections import Counter
from collections.abc import Sequence

from deft_sweeps.task_metrics.task_metric import TaskMetric

_ARTICLES = re.compile(r"\b(?:an?|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """A text as SQuAD compares it: lower case, without punctuation, articles and surplus spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1 where the normalised prediction is one of the normalised gold answers (the empty one where
    there is none), else 0.
    """
    return float(normalised(prediction) in _golds(golds))


def token_f1(prediction: str, golds: Sequence[str]) -> float:
    """Largest F1 of the prediction's words against a gold answer's, words counted as often as they
    occur.
    """
    return max(_word_f1(normalised(prediction).split(), gold.split()) for gold in _golds(golds))


def _golds(golds: Sequence[str]) -> list[str]:
    return [text for text in map(normalised, golds) if text] or [""]


def _word_f1(predicted: list[str], gold: list[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    n_common = (Counter(predicted) & Counter(gold)).total()
    return 2 * n_common / (len(predicted) + len(gold))


EXACT_MATCH = TaskMetric(
    name="exact_match",
    meaning="share of answers that equal a right one after normalisation",
    answer="text",
    by_example=exact_match,
)
TOKEN_F1 = TaskMetric(
    name="token_f1",
    meaning="mean over answers of the F1 of their words against the best right answer",
    answer="text",
    by_example=token_f1,
)

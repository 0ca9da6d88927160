"""The official metrics of GLUE and SQuAD, each with its standard error. numpy only."""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.outcomes import NO_SCORES, ExampleScores, Outcomes
from deft_sweeps.result import Score

Metric = Literal["accuracy", "f1", "matthews", "pearson", "spearman", "exact_match", "token_f1"]

N_RESAMPLES = 400
"""Bootstrap samples for the standard error of a metric that is no mean over examples; the error's own relative error is 3.5 %."""

_ARTICLES = re.compile(r"\b(?:an?|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Scored:
    """A metric over a split.

    Attributes:
        example_scores: in [0, 1], which the metric is the mean of; empty where it is none.
        outcomes: what it is of then.
    """

    score: Score
    example_scores: ExampleScores
    outcomes: Outcomes | None = None


Values = Sequence[Any] | NDArray[Any]


def score_all(metrics: Sequence[str], predictions: Values, references: Values) -> Scored:
    """The first metric, with the others beside it in `also`.

    Args:
        metrics: names, one at least.
        predictions: one an example, of the kind that `score` asks for.
        references: the same.
    """
    predictions, references = list(predictions), list(references)
    first, *others = (score(metric, predictions, references) for metric in metrics)
    told = first.score
    also = {other.score.metric: other.score.value for other in others}
    made = Score(metric=told.metric, value=told.value, n_examples=told.n_examples, standard_error=told.standard_error, also=also)
    return Scored(made, first.example_scores, first.outcomes)


def score(metric: str, predictions: Values, references: Values) -> Scored:
    """One metric, higher is better.

    The standard error of a mean is that of its examples, sqrt(p (1 - p) / n) for shares; of any other metric it is the standard
    deviation over seeded bootstrap samples.

    Args:
        metric: `accuracy` in [0, 1], of class indices; `f1` in [0, 1], of class 1 among classes 0 and 1; `matthews` in [-1, 1], of class
            indices; `pearson` and `spearman` in [-1, 1], of numbers; `exact_match` and `token_f1` in [0, 1], of texts, each against the
            best of its references.
        predictions: one an example: a class index, a number or a text.
        references: one an example: a class index, a number, or the texts that are right, none where there is no answer.

    Raises:
        ValueError: no examples, not as many predictions as references, or no such metric.
    """
    if len(predictions) != len(references) or not len(predictions):
        raise ValueError(f"expected one prediction for each of one or more references, got {len(predictions)} for {len(references)}")
    # A column of `datasets` reads the file anew for each index, and all of it at once as a list.
    predictions, references = list(predictions), list(references)
    match metric:
        case "accuracy":
            return _mean(metric, [float(p == r) for p, r in zip(predictions, references, strict=True)])
        case "exact_match":
            return _mean(metric, [exact_match(p, golds) for p, golds in zip(predictions, references, strict=True)])
        case "token_f1":
            return _mean(metric, [token_f1(p, golds) for p, golds in zip(predictions, references, strict=True)])
        case "f1":
            return _of_counts(metric, f1, predictions, references)
        case "matthews":
            return _of_counts(metric, matthews, predictions, references)
        case "pearson":
            return _of_pairs(metric, pearson, predictions, references)
        case "spearman":
            return _of_pairs(metric, spearman, predictions, references)
        case _:
            raise ValueError(f"expected one of {', '.join(get_args(Metric))}, got {metric!r}")


def f1(counts: NDArray[Any]) -> float:
    """Harmonic mean of precision and recall of class 1, 0 where nothing is right.

    Args:
        counts: (2, 2), examples by reference and prediction.
    """
    right = counts[1, 1]
    return float(2 * right / max(counts[1].sum() + counts[:, 1].sum(), 1))


def matthews(counts: NDArray[Any]) -> float:
    """Matthews' correlation of any number of classes (Gorodkin 2004), 0 where all predictions or all references are of one class.

    Args:
        counts: (classes, classes), examples by reference and prediction.
    """
    n = float(counts.sum())
    actual, predicted = counts.sum(1).astype(float), counts.sum(0).astype(float)
    spread = np.sqrt(n * n - predicted @ predicted) * np.sqrt(n * n - actual @ actual)
    return float((n * np.trace(counts) - actual @ predicted) / spread) if spread > 0 else 0.0


def pearson(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Pearson's correlation of two rows of numbers, 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    # What rounding leaves of a constant is no spread.
    flat = np.ptp(a) == 0 or np.ptp(b) == 0
    return 0.0 if flat else float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Spearman's correlation: Pearson's of the ranks, equal numbers sharing their mean rank."""
    return pearson(ranks(a), ranks(b))


def ranks(values: NDArray[Any]) -> NDArray[Any]:
    """Rank of each value from 1, equal ones sharing their mean."""
    _, place, n_equal = np.unique(values, return_inverse=True, return_counts=True)
    last: NDArray[Any] = np.cumsum(n_equal)
    return np.asarray((last - (n_equal - 1) / 2)[place])


def normalised(text: str) -> str:
    """A text as SQuAD compares it: lower case, without punctuation, articles and surplus spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1 where the normalised prediction is one of the normalised gold answers (the empty one where there is none), else 0."""
    return float(normalised(prediction) in _golds(golds))


def token_f1(prediction: str, golds: Sequence[str]) -> float:
    """Largest F1 of the prediction's words against a gold answer's, words counted as often as they occur."""
    return max(_word_f1(normalised(prediction).split(), gold.split()) for gold in _golds(golds))


def _golds(golds: Sequence[str]) -> list[str]:
    return [text for text in map(normalised, golds) if text] or [""]


def _word_f1(predicted: list[str], gold: list[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    n_common = (Counter(predicted) & Counter(gold)).total()
    return 2 * n_common / (len(predicted) + len(gold))


def _mean(metric: str, values: list[float]) -> Scored:
    n, mean = len(values), sum(values) / len(values)
    # Of shares the variance is known without another sum.
    variance = mean * (1 - mean) if set(values) <= {0.0, 1.0} else float(np.var(values))
    return Scored(_score(metric, mean, (variance / n) ** 0.5, n), ExampleScores.of(values))


def _of_counts(metric: str, of: Callable[[NDArray[Any]], float], predictions: Sequence[Any], references: Sequence[Any]) -> Scored:
    actual, predicted = np.asarray(references, dtype=np.int64), np.asarray(predictions, dtype=np.int64)
    n, n_classes = len(actual), max(2, int(actual.max()) + 1, int(predicted.max()) + 1)
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (actual, predicted), 1)
    # Drawing n examples with replacement is drawing the table's cells by their shares.
    drawn = np.random.default_rng(0).multinomial(n, counts.ravel() / n, size=N_RESAMPLES).reshape(-1, n_classes, n_classes)
    error = float(np.std([of(sample) for sample in drawn]))
    return Scored(_score(metric, of(counts), error, n), NO_SCORES, Outcomes.of(predictions, references))


def _of_pairs(
    metric: str, of: Callable[[NDArray[Any], NDArray[Any]], float], predictions: Sequence[Any], references: Sequence[Any]
) -> Scored:
    a, b = np.asarray(predictions, dtype=np.float64), np.asarray(references, dtype=np.float64)
    generator = np.random.default_rng(0)
    draws = (generator.integers(len(a), size=len(a)) for _ in range(N_RESAMPLES))
    error = float(np.std([of(a[draw], b[draw]) for draw in draws]))
    return Scored(_score(metric, of(a, b), error, len(a)), NO_SCORES, Outcomes.of(predictions, references))


def _score(metric: str, value: float, error: float, n_examples: int) -> Score:
    return Score(metric=metric, value=value, n_examples=n_examples, standard_error=error)

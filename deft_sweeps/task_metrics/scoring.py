"""A task's metrics over a split, with the standard error. numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deft_sweeps.outcomes import NO_SCORES, ExampleScores, Outcomes
from deft_sweeps.result import Score
from deft_sweeps.task_metrics.registry import task_metric_of
from deft_sweeps.task_metrics.resample import resamples
from deft_sweeps.task_metrics.task_metric import Array, TaskMetric

N_RESAMPLES = 400
"""Bootstrap samples for the standard error of a metric that is no mean over examples; the error's
own relative error is 3.5 %."""

Values = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """A metric over a split.

    Attributes:
        example_scores: that the metric is the mean of; empty if it is no mean.
        outcomes: predictions and references, if it is no mean; otherwise None.
    """

    score: Score
    example_scores: ExampleScores
    outcomes: Outcomes | None = None


def score_all(names: Sequence[str], predictions: Values, references: Values) -> Scored:
    """The first metric, with the values of the others in `also`.

    Args:
        names: of metrics, at least one.
        predictions: one an example, of the kind that `score` asks for.
        references: the same.
    """
    # A column of `datasets` reads the file anew for each index, and all of it at once as a list.
    predictions, references = list(predictions), list(references)
    first, *others = (score(name, predictions, references) for name in names)
    also = {other.score.metric: other.score.value for other in others}
    return replace(first, score=replace(first.score, also=also))


def score(name: str, predictions: Values, references: Values) -> Scored:
    """One metric, higher is better.

    The standard error of a mean is that of its examples, sqrt(p (1 - p) / n) for shares; that of
    any other metric is the standard deviation over seeded bootstrap samples.

    Args:
        name: of the metric.
        predictions: one an example: a class index, a number or a text, as the metric asks.
        references: one an example: a class index, a number, or the texts that are right.

    Raises:
        ValueError: no examples, not as many predictions as references, or no such metric.
    """
    metric = task_metric_of(name)
    if len(predictions) != len(references) or not len(predictions):
        n, n_expected = len(predictions), len(references)
        expected = "expected one prediction for each of one or more references"
        raise ValueError(f"{expected}, got {n} for {n_expected}")
    predictions, references = list(predictions), list(references)
    if metric.by_example is not None:
        pairs = zip(predictions, references, strict=True)
        return _mean(metric, [metric.by_example(p, r) for p, r in pairs])
    return _resampled(metric, predictions, references)


def weighted_metric(name: str, predictions: Array, references: Array, weights: Array) -> Array:
    """A metric that is no mean over examples, over each weighting of the examples.

    Args:
        name: of the metric.
        predictions: class indices or numbers, shape (n,).
        references: likewise.
        weights: shape (W, n), >= 0, each row with a sum above 0.

    Returns:
        Shape (W,).

    Raises:
        ValueError: no such metric, or one that is a mean over examples.
    """
    metric = task_metric_of(name)
    if metric.weighted is None:
        raise ValueError(f"expected a metric that is no mean over examples, got {name!r}")
    return metric.weighted(predictions, references, weights)


def _mean(metric: TaskMetric, values: list[float]) -> Scored:
    n, mean = len(values), sum(values) / len(values)
    # Of shares the variance is known without another sum.
    variance = mean * (1 - mean) if set(values) <= {0.0, 1.0} else float(np.var(values))
    error = (variance / n) ** 0.5
    scored = Score(metric=metric.name, value=mean, n_examples=n, standard_error=error)
    return Scored(scored, ExampleScores.of(values))


def _resampled(metric: TaskMetric, predictions: list[Any], references: list[Any]) -> Scored:
    rows = np.asarray([predictions, references], dtype=float)
    (predicted, actual), counts = np.unique(rows, axis=1, return_counts=True)
    whole = weighted_metric(metric.name, predicted, actual, counts[None].astype(float))
    chunks = resamples(counts, N_RESAMPLES)
    drawn = [weighted_metric(metric.name, predicted, actual, weights) for weights in chunks]
    scored = Score(
        metric=metric.name,
        value=float(whole[0]),
        n_examples=len(predictions),
        standard_error=float(np.std(np.concatenate(drawn))),
    )
    return Scored(scored, NO_SCORES, Outcomes.of(predictions, references))

"""Which test judges a limit."""

from dataclasses import replace

import numpy as np

from deft_sweeps.findings.limit_p_value import (
    CORRELATION_TEST,
    NO_TEST,
    WHOLE_ROWS,
    LimitTest,
    Measured,
    SelectionSample,
    judge_limit,
)
from deft_sweeps.objective import parse_constraint
from deft_sweeps.outcomes import ExampleScores, Outcomes
from deft_sweeps.statistics.correlation_p_value import FEWEST_EXAMPLES
from tests.samples import point


def judged(text: str, n: int, sample: SelectionSample = WHOLE_ROWS) -> LimitTest:
    """A limit on the correlation of two models whose errors are alike."""
    rng = np.random.default_rng(0)
    references = rng.normal(size=n)
    shared = rng.normal(0, 0.4, n)
    models = []
    for _ in range(2):
        predictions = references + shared + rng.normal(0, 0.1, n)
        at = point()
        score = replace(
            at.score, metric="pearson", value=float(np.corrcoef(predictions, references)[0, 1])
        )
        outcomes = Outcomes.of(predictions.tolist(), references.tolist())
        at = replace(at, score=score, example_scores=ExampleScores(), outcomes=outcomes)
        models.append(Measured(at, None))
    return judge_limit(parse_constraint(text), models[0], {"peft": models[1]}, sample)


class TestCorrelation:
    def test_beside_a_baseline_and_by_itself(self) -> None:
        near = judged("score >= baseline(peft) - 0.05", 2 * FEWEST_EXAMPLES)
        assert near.how == CORRELATION_TEST
        assert near.p < 0.001
        assert judged("score >= 0.85", 2 * FEWEST_EXAMPLES).p < 0.001
        assert judged("score >= 0.95", 2 * FEWEST_EXAMPLES).p > 0.95
        assert judged("score <= 0.95", 2 * FEWEST_EXAMPLES).p < 0.05

    def test_few_examples_and_groups_have_none(self) -> None:
        limit = "score >= baseline(peft) - 0.05"
        assert judged(limit, FEWEST_EXAMPLES - 1).how == NO_TEST
        groups = SelectionSample(np.arange(2 * FEWEST_EXAMPLES) // 4)
        assert judged(limit, 2 * FEWEST_EXAMPLES, groups).how == NO_TEST

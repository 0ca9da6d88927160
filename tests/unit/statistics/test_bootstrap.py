"""Metrics over resamples against the same metrics over lists that repeat the examples, and what a
paired bootstrap is good for.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings import choose
from deft_sweeps.findings.baseline import baselines_of
from deft_sweeps.findings.equal_density import equal_density_gains
from deft_sweeps.findings.front_member import configurations
from deft_sweeps.findings.limit_check import excess, interval_words, keeps
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.metrics import METRICS, score_range
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.outcomes import Outcomes
from deft_sweeps.report import choice_text
from deft_sweeps.report.table_cells import interval_text
from deft_sweeps.report.trial_tables import equal_density_table
from deft_sweeps.result import CompleteTrial, DensityReading, Point, Score, read_result
from deft_sweeps.statistics.bootstrap import N_RESAMPLES, resampled_differences
from deft_sweeps.statistics.paired_difference import (
    mean_difference,
    paired_difference,
    score_difference,
)
from deft_sweeps.task_metrics import score, weighted_metric

CLASSES = {"f1": 2, "matthews": 3}
NUMBERS = ("pearson", "spearman")


def drawn(metric: str, n: int, seed: int) -> tuple[list[float], list[float]]:
    references: Any
    generator = np.random.default_rng(seed)
    if metric in CLASSES:
        references = generator.integers(CLASSES[metric], size=n)
        wrong = generator.random(n) < 0.3
        predictions = np.where(wrong, generator.integers(CLASSES[metric], size=n), references)
    else:
        # Few distinct values, so that there are ties.
        references = generator.integers(8, size=n) / 2
        predictions = references + generator.integers(-3, 4, size=n) / 4
    return predictions.tolist(), references.tolist()


def naive(metric: str, predictions: Any, references: Any) -> float:
    """Of lists, by scikit-learn and scipy."""
    match metric:
        case "f1":
            return float(reference.f1_score(references, predictions, zero_division=0))
        case "matthews":
            return float(reference.matthews_corrcoef(references, predictions))
    if np.ptp(predictions) == 0 or np.ptp(references) == 0:
        return 0.0
    if metric == "pearson":
        return float(stats.pearsonr(predictions, references).statistic)
    return float(stats.spearmanr(predictions, references).statistic)


@pytest.mark.parametrize("metric", [*CLASSES, *NUMBERS])
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 30))
def test_a_weighted_metric_is_the_metric_of_repeated_examples(
    metric: str, seed: int, n: int
) -> None:
    predictions, references = drawn(metric, n, seed)
    weights = np.random.default_rng(seed + 1).integers(0, 3, size=(5, n)) * np.random.default_rng(
        seed + 2
    ).integers(0, 2, size=(5, n))
    weights[:, 0] += 1
    weighted = weighted_metric(
        metric, np.array(predictions), np.array(references), weights.astype(float)
    )
    for value, row in zip(weighted, weights, strict=True):
        repeated = [np.repeat(values, row).tolist() for values in (predictions, references)]
        assert value == pytest.approx(naive(metric, *repeated), abs=1e-9)


def test_no_other_metric_is_resampled() -> None:
    with pytest.raises(ValueError, match="'accuracy'"):
        weighted_metric("accuracy", np.ones(2), np.ones(2), np.ones((1, 2)))


def point(
    metric: str, predictions: Any, references: Any, density: float = 0.5, threshold: float = 0.0
) -> Point:
    kind = int if metric in (*CLASSES, "accuracy") else float
    scored = score(metric, [kind(x) for x in predictions], [kind(x) for x in references])
    return Point(
        threshold=threshold,
        score=scored.score,
        loss=1.0,
        density=DensityReading(encoder_blocks=(density,), decoder_blocks=()),
        example_scores=scored.example_scores,
        outcomes=scored.outcomes,
    )


@pytest.mark.parametrize("metric", [*CLASSES, *NUMBERS])
def test_a_paired_bootstrap_equals_a_loop_over_resamples(metric: str) -> None:
    predictions, references = drawn(metric, 60, 1)
    other = [*drawn(metric, 60, 2)[0][:20], *predictions[20:]]
    mine, theirs = point(metric, predictions, references), point(metric, other, references)
    difference = score_difference(mine, (1.0, theirs))
    assert difference is not None
    assert (difference.method, difference.n_examples) == ("bootstrap", 60)
    assert difference.value == pytest.approx(mine.score.value - theirs.score.value, abs=1e-6)
    generator, differences = np.random.default_rng(5), []
    for _ in range(600):
        which = generator.integers(60, size=60)
        values = [
            naive(metric, [p[i] for i in which], [references[i] for i in which])
            for p in (predictions, other)
        ]
        differences.append(values[0] - values[1])
    spread = float(np.std(differences))
    assert difference.standard_error == pytest.approx(spread, rel=0.12)
    assert (difference.low, difference.high) == pytest.approx(
        tuple(np.percentile(differences, (2.5, 97.5))), abs=0.4 * spread
    )
    assert score_difference(mine, (1.0, theirs)) == difference
    back = score_difference(theirs, (1.0, mine))
    assert back is not None
    assert (back.value, back.standard_error) == pytest.approx(
        (-difference.value, difference.standard_error), rel=0.05
    )


def test_many_distinct_examples_are_drawn_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    references = generator.random(300)
    first, second = (
        Outcomes.of((references + generator.normal(size=300)).tolist(), references.tolist())
        for _ in range(2)
    )
    whole = resampled_differences("pearson", [(1.0, first), (-1.0, second)])
    monkeypatch.setattr("deft_sweeps.task_metrics.resample._AT_ONCE", 300 * 64)
    parts = resampled_differences("pearson", [(1.0, first), (-1.0, second)])
    assert whole is not None
    assert parts is not None
    assert len(whole[1]) == len(parts[1]) == N_RESAMPLES
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-12)
    assert len(set(parts[1].round(9))) > N_RESAMPLES * 0.9


def test_the_same_answers_differ_by_nothing_and_other_examples_cannot_be_paired() -> None:
    predictions, references = drawn("pearson", 40, 3)
    mine = point("pearson", predictions, references)
    same = score_difference(mine, (0.25, mine), (0.75, mine))
    assert same is not None
    assert (same.value, same.low, same.high) == pytest.approx((0, 0, 0), abs=1e-12)
    assert score_difference(mine, (1.0, point("pearson", predictions[1:], references[1:]))) is None
    assert score_difference(mine, (1.0, point("spearman", predictions, references))) is None
    assert score_difference(mine, (1.0, replace(mine, outcomes=None))) is None
    assert score_difference(replace(mine, outcomes=None), (1.0, mine)) is None


def right_until(n_right: int, n: int = 200) -> tuple[list[int], list[int]]:
    """Predictions of two classes that are right but for the last ones, and their references."""
    references = [i % 2 for i in range(n)]
    return [r if i < n_right else 1 - r for i, r in enumerate(references)], references


@pytest.mark.parametrize("metric", ["f1", "accuracy"])
@pytest.mark.parametrize("order", [(182, 160), (160, 182)])
def test_surely_judges_the_mean_over_seeds_in_whatever_order(
    metric: str, order: tuple[int, ...]
) -> None:
    def trial(n_right: int, seed: int = 0, *, deft: bool = False) -> CompleteTrial:
        config = replace(TrialConfig(), density=DensityLoss()) if deft else TrialConfig()
        measured_point = point(metric, *right_until(n_right), density=0.2 if deft else 0.9)
        return CompleteTrial(
            config=config, seed=seed, points=(measured_point,), finished_at=float(seed)
        )

    base, deft = trial(180), [trial(n, seed, deft=True) for seed, n in enumerate(order)]
    (member,) = configurations(deft)
    baselines = baselines_of([base])
    limit = parse_constraint("surely score >= baseline(peft) - 0.02")
    difference = mean_difference(member.points, baselines["peft"].points)
    assert difference is not None
    assert difference.value == pytest.approx(
        member.values["score"] - base.points[0].score.value, abs=1e-9
    )
    assert excess(member, limit, baselines) == pytest.approx(
        -0.02 - difference.value + 1.959964 * difference.standard_error
    )
    assert not keeps(member, limit, baselines), "one seed alone keeps it"
    assert "paired by example" in interval_words(member, limit, baselines)
    # An interval of the mean over examples that are drawn again, each with both seeds' answers.
    generator, drawn_again = np.random.default_rng(3), np.zeros(600)
    for i in range(600):
        which = generator.integers(200, size=200)
        columns = [[np.array(values)[which] for values in right_until(n)] for n in (*order, 180)]
        first, second, of_base = (
            naive("f1", *one) if metric == "f1" else float((one[0] == one[1]).mean())
            for one in columns
        )
        drawn_again[i] = (first + second) / 2 - of_base
    assert difference.standard_error == pytest.approx(float(drawn_again.std()), rel=0.12)
    choice = choose(
        [base, *deft], ("score", "activation_density"), (), parse_policy("best activation_density")
    )
    assert choice.member is not None
    assert f"score {member.values['score']:.3f} (" in choice_text.caveats(choice)[0]
    assert (
        f"scores {member.values['score'] - base.points[0].score.value:+.3f} beside the baseline"
        in choice_text.caveats(choice)[1]
    )


def test_a_mean_over_seeds_that_cannot_be_paired_is_judged_by_the_mean_of_their_errors() -> None:
    predictions, references = right_until(160)
    better = right_until(180)[0]
    made = [
        CompleteTrial(
            config=TrialConfig(),
            seed=seed,
            points=(replace(point("f1", answers, references), outcomes=None),),
        )
        for seed, answers in enumerate((predictions, better))
    ]
    (member,) = configurations(made)
    scores = [result.points[0].score for result in made]
    reach = 1.959964 * (scores[0].standard_error + scores[1].standard_error) / 2
    assert excess(member, parse_constraint("surely score >= 0.8"), {}) == pytest.approx(
        0.8 - (member.values["score"] - reach)
    )


def test_a_mean_over_examples_is_paired_as_ever() -> None:
    (a, references), (b, _) = drawn("matthews", 50, 1), drawn("matthews", 50, 2)
    mine, theirs = point("accuracy", a, references), point("accuracy", b, references)
    assert mine.outcomes is None
    assert score_difference(mine, (1.0, theirs)) == paired_difference(
        mine.example_scores, theirs.example_scores
    )


def trials(metric: str = "matthews") -> tuple[CompleteTrial, CompleteTrial]:
    references = drawn(metric, 80, 1)[1]
    plain = TrialConfig()
    deft = replace(plain, density=DensityLoss())
    made = []
    for seed, config, densities in ((10, plain, (0.9, 0.3)), (20, deft, (0.6, 0.1))):
        predictions = [
            [
                *drawn(metric, 80, 1)[0][: 60 - 20 * i],
                *drawn(metric, 80, seed + i)[0][60 - 20 * i :],
            ]
            for i in range(2)
        ]
        points = tuple(
            point(metric, p, references, d, t)
            for p, d, t in zip(predictions, densities, (0.0, 0.5), strict=True)
        )
        made.append(CompleteTrial(config=config, seed=0, points=points))
    return made[0], made[1]


@pytest.mark.parametrize("metric", ["matthews", "spearman"])
def test_gains_of_a_correlation_are_shown_with_their_method(metric: str) -> None:
    plain, deft = trials(metric)
    gains = equal_density_gains([plain, deft])
    assert [bool(gain.difference) for gain in gains] == [True, False]
    gain = gains[0]
    assert gain.difference is not None
    assert gain.plain_score is not None
    assert gain.plain_score == pytest.approx(
        (plain.points[0].score.value + plain.points[1].score.value) / 2
    )
    assert gain.difference.value == pytest.approx(
        deft.points[0].score.value - gain.plain_score, abs=1e-6
    )
    assert gain.difference.low < gain.difference.value < gain.difference.high
    note = equal_density_table(gains, None).note
    assert "2,000 seeded bootstrap resamples" in note
    assert "n = 80 validation examples" in note
    assert read_result(plain.to_json()) == plain


def test_outcomes_keep_a_result_small() -> None:
    predictions, references = drawn("pearson", 1500, 1)
    trial = CompleteTrial(
        config=TrialConfig(), seed=0, points=(point("pearson", predictions, references),)
    ).to_json()
    assert len(trial) < 1500 * 12 + 4000


def test_the_reference_is_the_metrics_worst_value() -> None:
    plain, deft = trials()
    front = pareto_front([plain, deft], ("score", "activation_density"))
    assert front.reference == {"score": -1.0, "activation_density": 1.0}
    assert "score -1 (the worst possible)" in front.reference_note
    below = replace(
        plain, points=tuple(replace(p, score=replace(p.score, value=-0.4)) for p in plain.points)
    )
    assert pareto_front([below], ("score", "activation_density")).hypervolume == pytest.approx(
        0.6 * 0.7
    )
    shares = replace(
        plain,
        points=tuple(replace(p, score=replace(p.score, metric="accuracy")) for p in plain.points),
    )
    assert pareto_front([shares], ("score", "activation_density")).reference["score"] == 0.0


@given(
    value=st.floats(-1, 1),
    error=st.floats(0, 0.8),
    metric=st.sampled_from(["accuracy", "f1", "matthews", "pearson", "spearman"]),
)
def test_intervals_stay_in_the_metrics_range_and_hold_the_score(
    value: float, error: float, metric: str
) -> None:
    worst, best = score_range(metric)
    value = max(worst, value)
    low, high = map(
        float,
        interval_text(Score(metric=metric, value=value, n_examples=9, standard_error=error)).split(
            " to "
        ),
    )
    assert worst <= low <= value + 5e-4
    assert value - 5e-4 <= high <= best
    assert low == pytest.approx(max(worst, value - 1.96 * error), abs=1e-3)


def test_what_score_means_says_its_range() -> None:
    assert "[-1, 1] where it is a correlation" in METRICS["score"].meaning

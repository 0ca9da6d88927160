"""Every metric of a sweep and of a task: all its parts, and every place that has to show it."""

import importlib
import json
import math
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

import deft_sweeps.metrics
import deft_sweeps.task_metrics
from deft_sweeps.findings import Findings, choose
from deft_sweeps.findings.front_json import front_json
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.metrics import METRICS, Direction, Measurable, Metric, measured
from deft_sweeps.metrics.metric import Display
from deft_sweeps.objective import parse_constraint, parse_policy
from deft_sweeps.report.front_figure import Plane, scatter
from deft_sweeps.report.front_tables import front_table
from deft_sweeps.report.html import point_card
from deft_sweeps.result import CompleteTrial, DensityReading, Point, Rung
from deft_sweeps.specification.spec_reader import parse_spec
from deft_sweeps.statistics.paired_difference import score_difference
from deft_sweeps.store.run_metrics import final_metrics, rung_metrics
from deft_sweeps.sweep.progress import ended, front_rows
from deft_sweeps.task_metrics import TASK_METRICS, TaskMetric, score, weighted_metric
from deft_sweeps.task_metrics.task_metric import Answer
from deft_sweeps.units import EXAMPLES, UNITS
from tests.samples import point, result

README = Path(__file__).parents[2] / "README.md"
EVERY = list(METRICS.values())
BY_NAME = [pytest.param(metric, id=metric.name) for metric in EVERY]
BY_TASK_METRIC = [pytest.param(metric, id=metric.name) for metric in TASK_METRICS.values()]


def objects(package: ModuleType, of: type[Any]) -> Iterator[Any]:
    """Every object of a type that a module of the package holds."""
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield from (x for x in vars(importlib.import_module(info.name)).values() if type(x) is of)


def full_point(i: int, threshold: float = 0.01) -> Point:
    """A point that has every metric; a greater `i` is worse in all of them."""
    share = 0.2 + 0.1 * i
    return replace(
        point(threshold, 0.9 - 0.1 * i, share),
        loss=0.5 + i,
        density=DensityReading(encoder_blocks=(share,), decoder_blocks=(share + 0.01,)),
        written_density=DensityReading(encoder_blocks=(), decoder_blocks=(share,)),
        energy_ratio=share,
    )


def full_trial(i: int) -> CompleteTrial:
    """A trial that has every metric, costs as if alone; a greater `i` is worse in all of them."""
    trial = result(
        full_point(i, 0.0), full_point(i), learning_rate=1e-3 * (i + 1), finished_at=i + 1.0
    )
    assert trial.cost is not None
    cost = replace(
        trial.cost,
        label="measured",
        weight_bytes=100 * 2**20 * (i + 1),
        trainable_parameters=1000 * (i + 1),
        peak_memory_bytes=2**30 * (i + 1),
        latency_sec=0.01 * (i + 1),
    )
    return replace(trial, cost=cost)


TRIALS = [full_trial(i) for i in range(4)]


def other_of(metric: Metric) -> str:
    return "loss" if metric.name == "score" else "score"


def test_every_object_is_registered_under_its_name() -> None:
    """A metric in a module of its own that nobody lists would silently be no metric."""
    assert {id(m) for m in objects(deft_sweeps.metrics, Metric)} == {id(m) for m in EVERY}
    assert all(name == metric.name for name, metric in METRICS.items())
    of_tasks = list(objects(deft_sweeps.task_metrics, TaskMetric))
    assert {id(m) for m in of_tasks} == {id(m) for m in TASK_METRICS.values()}
    assert all(name == metric.name for name, metric in TASK_METRICS.items())


@pytest.mark.parametrize("metric", BY_NAME)
class TestMetric:
    def test_every_part_is_there(self, metric: Metric) -> None:
        assert metric.name.isidentifier()
        assert metric.title
        assert metric.meaning
        assert metric.direction in get_args(Direction)
        assert metric.dimension in UNITS
        assert metric.display in get_args(Display)
        assert metric.part_of in ("", *METRICS)
        low, high = metric.possible(None)
        assert low < high
        assert metric.worst(None) in (low, high, None)
        assert isinstance(metric.why_unmeasured(Measurable(("encoder", "decoder"), True)), str)

    def test_it_is_read_from_a_point(self, metric: Metric) -> None:
        """A metric that reads a field which no sample has belongs into `full_trial`."""
        trial = TRIALS[0]
        values = measured(trial.points[0], trial.cost)
        assert metric.name in values
        low, high = metric.possible(trial.points[0])
        assert low <= values[metric.name] <= high
        assert (metric.name in measured(trial.points[0])) == metric.of_point

    def test_worse_values_are_worse(self, metric: Metric) -> None:
        values = [measured(trial.points[0], trial.cost)[metric.name] for trial in TRIALS]
        assert all(metric.sign * a < metric.sign * b for a, b in pairwise(values))

    def test_it_can_be_an_objective(self, metric: Metric) -> None:
        front = pareto_front(TRIALS, (metric.name, other_of(metric)))
        assert {member.result.trial_id for member in front.members} == {TRIALS[0].trial_id}
        text = (
            f"name: x\nspace: {{}}\nbudget: {{trials: 9}}\nobjectives: [{metric.name},"
            f" {other_of(metric)}]\n"
        )
        assert parse_spec(text, "x.yaml").objectives[0] == metric.name

    def test_it_can_be_a_limit(self, metric: Metric) -> None:
        relation = "<=" if metric.direction == "minimize" else ">="
        values = [measured(trial.points[0], trial.cost)[metric.name] for trial in TRIALS]
        limit = parse_constraint(f"{metric.name} {relation} {(values[1] + values[2]) / 2!r}")
        front = pareto_front(TRIALS, ("score", "loss"), [limit])
        assert front.n_outside == 4, "both points of the two worse trials"
        unit = parse_constraint(f"{metric.name} {relation} {EXAMPLES[metric.dimension]}")
        assert unit.bound.value > 0
        if metric.has_interval:
            assert parse_constraint(f"surely {limit}").surely
        else:
            with pytest.raises(ValueError, match="standard error"):
                parse_constraint(f"surely {limit}")

    def test_it_can_be_what_a_policy_is_best_at(self, metric: Metric) -> None:
        choice = choose(TRIALS, ("score", "loss"), (), parse_policy(f"best {metric.name}"))
        assert choice.member is not None
        assert choice.member.result.trial_id == TRIALS[0].trial_id

    def test_it_has_a_column_and_a_row_of_the_live_view(self, metric: Metric) -> None:
        objectives = (metric.name, other_of(metric))
        front = pareto_front(TRIALS, objectives)
        text = metric.text(front.members[0].values[metric.name])
        table = front_table(front)
        if metric.part_of:
            shown = f"/ {text}" in str(table.rows) or f"({text}" in str(table.rows)
            assert shown
        else:
            (column,) = [
                i for i, head in enumerate(table.columns) if head.startswith(f">{metric.title}")
            ]
            assert table.rows[0].cells[column].startswith(text)
            card_rows = [*(point_card(front.members[0])["rows"])]  # type: ignore[misc]
            on_card = any(name.startswith(metric.title) for name, _ in card_rows)
            assert on_card == (metric.display in ("table", "card"))
        rows, _, _ = front_rows(TRIALS, objectives, ())
        assert set(rows[0].values) == set(objectives)
        assert f"{metric.title} {text}" in ended(TRIALS[0], 0.01, objectives).outcome

    def test_it_is_in_the_json_and_in_mlflow(self, metric: Metric) -> None:
        front = pareto_front(TRIALS, ("score", "loss"))
        assert metric.name in json.loads(front_json(front))["members"][0]["metrics"]
        keys = final_metrics(TRIALS[0])
        assert (f"threshold_0.01/{metric.name}" in keys) == metric.of_point
        assert (metric.name in keys) == (not metric.of_point)
        at_rung = rung_metrics(Rung(step=3, points=TRIALS[0].points))
        assert (f"rung/threshold_0.01/{metric.name}" in at_rung) == metric.of_point

    def test_it_can_be_an_axis_of_the_figure(self, metric: Metric) -> None:
        svg = scatter(Findings(TRIALS, (metric.name, other_of(metric))))
        plane = Plane.of((metric.name, other_of(metric)))
        assert metric in (plane.x, plane.y)
        for one in (plane.x, plane.y):
            title = one.title if one.axis_title is None else one.axis_title(TRIALS[0].points[0])
            assert title in svg
            assert f"({one.better} is better)" in svg
        label = metric.label(TRIALS[0].cost)
        assert not label or f"{metric.title}, {label} (" in svg


def test_the_readme_lists_every_metric_and_its_direction() -> None:
    rows = [line for line in README.read_text("utf-8").splitlines() if line.startswith("| `")]
    for metric in EVERY:
        (row,) = [row for row in rows if f"`{metric.name}`" in row.split("|")[1]]
        assert row.split("|")[2].strip() == metric.better


def test_the_readme_lists_every_metric_of_a_task() -> None:
    lines = README.read_text("utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| metric of a task"))
    for metric in TASK_METRICS.values():
        assert any(line.startswith(f"| `{metric.name}` |") for line in lines[start:]), metric.name


def of_classes(n_classes: int, rng: np.random.Generator, n: int) -> tuple[list[Any], list[Any]]:
    references = rng.integers(n_classes, size=n)
    wrong = rng.random(n) < 0.4
    predictions = np.where(wrong, rng.integers(n_classes, size=n), references)
    return predictions.tolist(), references.tolist()


def drawn(metric: TaskMetric, seed: int, n: int = 40) -> tuple[list[Any], list[Any]]:
    """Predictions and references of the kind that the metric compares."""
    rng = np.random.default_rng(seed)
    match metric.answer:
        case "class":
            return of_classes(metric.n_classes or 4, rng, n)
        case "number":
            references = rng.integers(8, size=n) / 2
            return (references + rng.integers(-3, 4, size=n) / 4).tolist(), references.tolist()
        case "text":
            words = np.array(["red", "green", "blue", "grey"])
            texts = [" ".join(rng.choice(words, size=2)) for _ in range(n)]
            golds = [[" ".join(rng.choice(words, size=2))] for _ in range(n)]
            return texts, golds


def _token_f1(predictions: Any, references: Any) -> float:
    total = 0.0
    for text, (gold,) in zip(predictions, references, strict=True):
        words, of_gold = text.split(), gold.split()
        common = sum(min(words.count(word), of_gold.count(word)) for word in set(words))
        total += 2 * common / (len(words) + len(of_gold))
    return total / len(predictions)


def _by_sklearn(function: Any, **options: Any) -> Callable[[Any, Any], float]:
    return lambda predictions, references: float(function(references, predictions, **options))


NAIVE: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": _by_sklearn(sklearn_metrics.accuracy_score),
    "balanced_accuracy": _by_sklearn(sklearn_metrics.balanced_accuracy_score),
    "f1": _by_sklearn(sklearn_metrics.f1_score, zero_division=0),
    "macro_f1": _by_sklearn(sklearn_metrics.f1_score, average="macro", zero_division=0),
    "matthews": _by_sklearn(sklearn_metrics.matthews_corrcoef),
    "pearson": lambda a, b: float(stats.pearsonr(a, b).statistic),
    "spearman": lambda a, b: float(stats.spearmanr(a, b).statistic),
    "exact_match": lambda a, b: float(
        np.mean([x == gold for x, (gold,) in zip(a, b, strict=True)])
    ),
    "token_f1": _token_f1,
}
"""Each task's metric as another library, or a loop, computes it: a new metric needs an entry."""


@pytest.mark.parametrize("metric", BY_TASK_METRIC)
class TestTaskMetric:
    def test_every_part_is_there(self, metric: TaskMetric) -> None:
        assert metric.name.isidentifier()
        assert metric.meaning
        assert metric.answer in get_args(Answer)
        assert -1 <= metric.worst <= 0
        assert metric.n_classes is None or metric.answer == "class"

    @pytest.mark.parametrize("seed", range(5))
    def test_it_is_what_another_implementation_computes(
        self, metric: TaskMetric, seed: int
    ) -> None:
        predictions, references = drawn(metric, seed)
        expected = NAIVE[metric.name](predictions, references)
        scored = score(metric.name, predictions, references).score
        assert scored.value == pytest.approx(expected, abs=1e-12)
        assert metric.worst <= scored.value <= 1
        assert 0 < scored.standard_error < 1

    def test_the_best_answers_score_one(self, metric: TaskMetric) -> None:
        _, references = drawn(metric, 0)
        right = [gold for (gold,) in references] if metric.answer == "text" else references
        assert score(metric.name, right, references).score.value == pytest.approx(1)

    @pytest.mark.parametrize("seed", range(5))
    def test_a_weight_is_a_repetition(self, metric: TaskMetric, seed: int) -> None:
        predictions, references = drawn(metric, seed)
        weights = np.random.default_rng(seed + 99).integers(0, 4, size=(6, len(predictions)))
        for row in weights:
            repeated = [
                [value for value, n in zip(values, row, strict=True) for _ in range(n)]
                for values in (predictions, references)
            ]
            expected = NAIVE[metric.name](*repeated)
            if metric.by_example is None:
                arrays = np.array(predictions, dtype=float), np.array(references, dtype=float)
                (value,) = weighted_metric(metric.name, *arrays, row[None].astype(float))
            else:
                value = score(metric.name, *repeated).score.value
            assert value == pytest.approx(expected, abs=1e-9)

    def test_two_of_the_same_examples_have_a_paired_interval(self, metric: TaskMetric) -> None:
        _, references = drawn(metric, 0, 200)
        first, second = (drawn(metric, seed, 200)[0] for seed in (0, 1))
        points = []
        for predictions in (first, second):
            scored = score(metric.name, predictions, references)
            one = replace(point(), score=scored.score, example_scores=scored.example_scores)
            points.append(replace(one, outcomes=scored.outcomes))
        difference = score_difference(points[0], (1.0, points[1]))
        assert difference is not None
        assert difference.value == pytest.approx(points[0].score.value - points[1].score.value)
        assert difference.low < difference.value < difference.high
        assert difference.method == ("mean" if metric.by_example else "bootstrap")
        assert math.isfinite(difference.standard_error)

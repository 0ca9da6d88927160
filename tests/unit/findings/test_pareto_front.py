"""Dominance, hypervolume, knee and front; checked against pymoo and Optuna, and against naive
loops.
"""

import json
from dataclasses import replace
from importlib import import_module
from itertools import product
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from optuna._hypervolume import compute_hypervolume
from optuna.study._multi_objective import _fast_non_domination_rank
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from deft_sweeps.config.axes import DensityLoss, Nf4, NoDensityLoss, Wanda
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.findings.baseline import baselines_of
from deft_sweeps.findings.equal_density import (
    at_equal_density,
    density_change,
    equal_density_gains,
    twin_config,
)
from deft_sweeps.findings.front_json import front_json
from deft_sweeps.findings.front_member import candidates
from deft_sweeps.findings.limit_check import excess, interval_words, keeps
from deft_sweeps.findings.pareto_front import pareto_front, trade_offs
from deft_sweeps.front import hypervolume, knee_distances, non_dominated
from deft_sweeps.metrics import METRICS, Direction, measured
from deft_sweeps.objective import parse_constraint
from deft_sweeps.outcomes import NO_SCORES, ExampleScores
from deft_sweeps.result import Point, read_result
from deft_sweeps.statistics.paired_difference import paired_difference
from tests.made_sweep import sweep_results
from tests.samples import complete, point, result

OBJECTIVES = ("score", "activation_density")
MIN2: tuple[Direction, ...] = ("minimize", "minimize")
# Few distinct values make ties and duplicates common; the fine grid makes them rare.
COARSE = st.integers(0, 4).map(lambda v: v / 4)
FINE = st.integers(0, 10**6).map(lambda v: v / 10**6)
relaxed = settings(deadline=None, max_examples=60)


@st.composite
def clouds(draw: st.DrawFn, least: int = 0, most_objectives: int = 4) -> np.ndarray:
    shape = (draw(st.integers(least, 25)), draw(st.integers(1, most_objectives)))
    return draw(arrays(np.float64, shape, elements=draw(st.sampled_from([COARSE, FINE]))))


def minimise(values: np.ndarray) -> tuple[Direction, ...]:
    directions: list[Direction] = ["minimize"] * values.shape[1]
    return tuple(directions)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(
        all(x <= y for x, y in zip(a, b, strict=True))
        and any(x < y for x, y in zip(a, b, strict=True))
    )


@relaxed
@given(clouds())
def test_non_dominated_is_what_no_other_point_dominates(values: np.ndarray) -> None:
    expected = [not any(dominates(other, value) for other in values) for value in values]
    assert non_dominated(values, minimise(values)).tolist() == expected


@relaxed
@given(clouds(least=1))
def test_the_front_agrees_with_optuna_and_pymoo(values: np.ndarray) -> None:
    on_front = non_dominated(values, minimise(values))
    assert on_front.tolist() == (_fast_non_domination_rank(values) == 0).tolist()
    first, *_ = NonDominatedSorting().do(values)
    assert set(np.flatnonzero(on_front)) == set(first)


@relaxed
@given(clouds(), st.data())
def test_a_direction_turned_is_a_sign_turned(values: np.ndarray, data: st.DataObject) -> None:
    either: list[Direction] = ["minimize", "maximize"]
    directions = [data.draw(st.sampled_from(either)) for _ in range(values.shape[1])]
    signs = np.array([1.0 if d == "minimize" else -1.0 for d in directions])
    assert (
        non_dominated(values * signs, directions).tolist()
        == non_dominated(values, minimise(values)).tolist()
    )
    worst = np.full(values.shape[1], 1.1)
    assert hypervolume(values * signs, worst * signs, directions) == pytest.approx(
        hypervolume(values, worst, minimise(values))
    )
    np.testing.assert_array_equal(
        knee_distances(values * signs, directions), knee_distances(values, minimise(values))
    )


@relaxed
@given(clouds(least=1), st.sampled_from([0.6, 1.0, 1.5]))
def test_hypervolume_agrees_with_optuna_and_pymoo(values: np.ndarray, worst: float) -> None:
    reference = np.full(values.shape[1], worst)
    mine = hypervolume(values, reference, minimise(values))
    inside = values[np.all(values <= worst, axis=1)]
    assert mine == pytest.approx(
        compute_hypervolume(inside, reference) if len(inside) else 0.0, abs=1e-12
    )
    if values.shape[1] > 1:
        assert mine == pytest.approx(float(HV(ref_point=reference)(values)), abs=1e-12)


@relaxed
@given(clouds(least=1, most_objectives=3))
def test_hypervolume_counts_the_cells_that_are_dominated(values: np.ndarray) -> None:
    grid = np.round(values * 4).astype(int)
    cells = product(range(5), repeat=grid.shape[1])
    expected = sum(
        any(all(p <= c for p, c in zip(row, cell, strict=True)) for row in grid) for cell in cells
    )
    assert hypervolume(grid, [5] * grid.shape[1], minimise(grid)) == pytest.approx(expected)


@relaxed
@given(clouds(least=1), st.data())
def test_hypervolume_never_falls_when_a_point_comes_and_ignores_dominated_ones(
    values: np.ndarray, data: st.DataObject
) -> None:
    reference = [1.1] * values.shape[1]
    whole = hypervolume(values, reference, minimise(values))
    assert whole == pytest.approx(
        hypervolume(values[non_dominated(values, minimise(values))], reference, minimise(values))
    )
    some = values[: data.draw(st.integers(0, len(values)))]
    assert hypervolume(some, reference, minimise(values)) <= whole + 1e-12


def test_duplicates_are_all_kept() -> None:
    assert non_dominated(
        [[0.8, 0.5], [0.8, 0.5], [0.7, 0.6]], ("maximize", "minimize")
    ).tolist() == [True, True, False]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_that_are_not_finite_are_rejected(bad: float) -> None:
    for function in (non_dominated, knee_distances):
        with pytest.raises(ValueError, match="finite"):
            function([[0.1, 0.2], [bad, 0.3]], MIN2)
    with pytest.raises(ValueError, match="finite"):
        hypervolume([[0.1, bad]], [1, 1], MIN2)
    with pytest.raises(ValueError, match="finite"):
        hypervolume([[0.1, 0.1]], [1, bad], MIN2)


def test_shapes_and_directions_are_checked() -> None:
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        non_dominated([[1, 2, 3]], MIN2)
    with pytest.raises(ValueError, match="minimize or maximize"):
        non_dominated([[1, 2]], ("minimize", "up"))  # type: ignore[arg-type]
    assert non_dominated([], MIN2).tolist() == []
    assert hypervolume([], [1, 1], MIN2) == 0.0
    assert knee_distances([], MIN2).tolist() == []


def test_knee_is_furthest_from_the_line_through_the_ends() -> None:
    values = np.array([[0.0, 1.0], [0.1, 0.35], [0.4, 0.2], [1.0, 0.0], [0.9, 0.9]])
    first, last = values[0], values[3]
    along = (last - first) / np.linalg.norm(last - first)
    naive = [np.linalg.norm((v - first) - ((v - first) @ along) * along) for v in values[:4]]
    np.testing.assert_allclose(knee_distances(values, MIN2)[:4], naive, atol=1e-12)
    assert knee_distances(values, MIN2)[4] == -np.inf


@relaxed
@given(clouds(least=1))
def test_only_the_front_has_distances_and_they_know_no_units(values: np.ndarray) -> None:
    distances = knee_distances(values, minimise(values))
    np.testing.assert_array_equal(np.isfinite(distances), non_dominated(values, minimise(values)))
    # Powers of two scale without rounding.
    np.testing.assert_array_equal(
        knee_distances(values * 2.0 ** np.arange(values.shape[1]), minimise(values)), distances
    )


def test_every_point_of_a_trial_competes() -> None:
    one = result(point(0.0, 0.80, 0.9), point(0.2, 0.79, 0.4), point(0.5, 0.60, 0.5))
    front = pareto_front([one], OBJECTIVES)
    assert [m.point.threshold for m in front.members] == [0.0, 0.2]
    assert front.n_candidates == 3
    assert front.hypervolume == pytest.approx(0.80 * 0.1 + 0.79 * 0.5)
    assert front.reference == {"score": 0.0, "activation_density": 1.0}
    assert "worst possible" in front.reference_note


def test_the_volume_is_taken_over_the_front_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is the same over all points, and with three objectives some hundred times
    slower.
    """
    results = sweep_results()
    whole = pareto_front(results, OBJECTIVES)
    pool = np.array(
        [[m.values[name] for name in OBJECTIVES] for m in candidates(results, OBJECTIVES)]
    )
    assert whole.hypervolume == pytest.approx(
        hypervolume(pool, [whole.reference[n] for n in OBJECTIVES], ("maximize", "minimize"))
    )
    looked_at = Mock(return_value=0.0)
    # The package gives the module's name to the function, so a dotted path would not reach the
    # module.
    module = import_module("deft_sweeps.findings.pareto_front")
    monkeypatch.setattr(module, "hypervolume", looked_at)
    pareto_front(results, OBJECTIVES)
    looked_at.assert_called_once()
    assert len(looked_at.call_args.args[0]) == len(whole.members) < len(pool)


def test_only_complete_trials_have_candidates() -> None:
    complete = result(point(0.0, 0.7, 0.5))
    assert [m.result for m in pareto_front([result(), complete], OBJECTIVES).members] == [complete]
    assert pareto_front([result()], OBJECTIVES).members == ()


def test_points_outside_a_limit_never_count() -> None:
    results = [
        result(point(0.0, 0.9, 0.9), point(0.5, 0.6, 0.1)),
        result(point(0.0, 0.8, 0.5), weight=1.0),
    ]
    front = pareto_front(results, OBJECTIVES, [parse_constraint("score >= 0.7")])
    assert {m.values["score"] for m in front.members} == {0.9, 0.8}
    assert (front.n_candidates, front.n_outside) == (3, 1)


def test_a_limit_met_exactly_is_kept() -> None:
    # In floating point 0.8 - 0.1 is above 0.7.
    results = [result(point(0.0, 0.8, 0.9)), result(point(0.0, 0.7, 0.5), weight=1.0)]
    front = pareto_front(results, OBJECTIVES, [parse_constraint("score >= baseline(peft) - 0.1")])
    assert len(front.members) == 2


def test_a_metric_that_was_not_measured_breaks_its_limit() -> None:
    uncosted = replace(result(point(0.0, 0.9, 0.5)), cost=None)
    front = pareto_front([uncosted], OBJECTIVES, [parse_constraint("latency_sec <= 1")])
    assert (front.members, front.n_outside) == ((), 1)


def test_a_missing_baseline_leaves_the_limit_unjudged() -> None:
    limit = parse_constraint("score >= baseline(peft) - 0.01")
    front = pareto_front([result(point(0.0, 0.9, 0.5), weight=1.0)], OBJECTIVES, [limit])
    assert (front.members, front.unjudged) == ((), (limit,))
    elsewhere = baselines_of([result(point(0.0, 0.8, 0.5))])
    given_one = pareto_front(
        [result(point(0.0, 0.9, 0.5), weight=1.0)], OBJECTIVES, [limit], baselines=elsewhere
    )
    assert len(given_one.members) == 1


def test_surely_asks_the_near_end_of_the_interval() -> None:
    """Against a naive count over the examples: paired where both have them, by both standard errors
    where not.
    """
    base, other = result(point(0.0, 0.80, 0.9)), result(point(0.0, 0.82, 0.5), weight=1.0)
    differences = [
        a - b
        for a, b in zip(other.points[0].example_scores, base.points[0].example_scores, strict=True)
    ]
    mean = sum(differences) / 100
    error = (sum((d - mean) ** 2 for d in differences) / 99 / 100) ** 0.5
    low = mean - 1.96 * error
    baselines = baselines_of([base])
    (member,) = candidates([other])
    for bound in (0.0, 0.01, 0.1):
        limit = parse_constraint(f"surely score >= baseline(peft) - {bound}")
        assert excess(member, limit, baselines) == pytest.approx(-bound - low, abs=1e-4)
        assert keeps(member, limit, baselines) == (low >= -bound)
        assert interval_words(member, limit, baselines).endswith("paired by example")
    limit = parse_constraint("surely score >= baseline(peft) - 0.01")
    (alone,) = candidates(
        [replace(other, points=(replace(other.points[0], example_scores=NO_SCORES),))]
    )
    errors = (0.8 * 0.2 / 100 + 0.82 * 0.18 / 100) ** 0.5
    assert excess(alone, limit, baselines) == pytest.approx(
        -0.01 - (0.02 - 1.96 * errors), abs=1e-4
    )
    assert "cannot be paired" in interval_words(alone, limit, baselines)
    assert other.provenance is not None
    elsewhere = replace(other, provenance=replace(other.provenance, dataset_fingerprint="e"))
    assert "cannot be paired" in interval_words(candidates([elsewhere])[0], limit, baselines)
    plainly = parse_constraint("surely score >= 0.75")
    assert excess(member, plainly, {}) == pytest.approx(
        0.75 - (0.82 - 1.96 * (0.82 * 0.18 / 100) ** 0.5), abs=1e-4
    )
    assert interval_words(member, plainly, {}) == "by the 95% interval of the score"
    above = parse_constraint("surely score <= 0.85")
    assert excess(member, above, {}) == pytest.approx(
        0.82 + 1.96 * (0.82 * 0.18 / 100) ** 0.5 - 0.85, abs=1e-4
    )


def test_the_baseline_surely_keeps_a_limit_beside_itself() -> None:
    """Also where no single scores are there to pair, so that a choice can always fall back on
    it.
    """
    limit = parse_constraint("surely score >= baseline(peft) - 0.02")
    paired = result(point(0.0, 0.80, 0.9))
    unpaired = replace(paired, points=(replace(paired.points[0], example_scores=NO_SCORES),))
    for base in (paired, unpaired):
        baselines = baselines_of([base])
        (member,) = candidates([base])
        assert excess(member, limit, baselines) == pytest.approx(-0.02)
        assert keeps(member, limit, baselines)


def test_the_baselines_are_the_best_without_what_their_name_denies() -> None:
    plain = result(point(0.0, 0.80, 0.9), point(0.2, 0.99, 0.4))
    nf4 = replace(
        plain,
        config=replace(plain.config, quantization=Nf4(), activation="relu"),
        points=(point(0.0, 0.9, 0.4),),
    )
    pruned = replace(
        plain, config=replace(plain.config, pruning=Wanda()), points=(point(0.0, 0.85, 0.4),)
    )
    baselines = baselines_of([plain, nf4, pruned])
    assert {name: member.result for name, member in baselines.items()} == {
        "peft": plain,
        "plain": nf4,
        "dense": nf4,
        "unquantized": pruned,
    }
    assert all(member.point.threshold == 0 for member in baselines.values())


def test_the_reference_of_an_unbounded_metric_is_the_worst_seen_unless_given() -> None:
    cheap = result(point(0.0, 0.7, 0.5))
    assert cheap.cost is not None
    slow = replace(
        cheap,
        config=replace(cheap.config, quantization=Nf4()),
        points=(point(0.0, 0.8, 0.5),),
        cost=replace(cheap.cost, latency_sec=0.03),
    )
    front = pareto_front([cheap, slow], ("score", "latency_sec"))
    assert front.reference == {"score": 0.0, "latency_sec": 0.03}
    assert "worst measured" in front.reference_note
    assert front.hypervolume == pytest.approx(0.7 * 0.02)
    assert pareto_front(
        [cheap, slow], ("score", "latency_sec"), reference={"latency_sec": 0.04}
    ).hypervolume == pytest.approx(0.7 * 0.03 + 0.1 * 0.01)


def test_the_front_does_not_depend_on_the_order_of_results() -> None:
    results = sweep_results()
    names = [
        [m.name for m in pareto_front(order, OBJECTIVES).members]
        for order in (results, results[::-1])
    ]
    assert names[0] == names[1]
    assert len(names[0]) > 3


def test_trade_offs_are_the_steps_between_neighbours() -> None:
    front = pareto_front([result(point(0.0, 0.80, 0.9), point(0.2, 0.79, 0.4))], OBJECTIVES)
    (step,) = trade_offs(front)
    assert step.changes == {
        "score": pytest.approx(-0.01),
        "activation_density": pytest.approx(-0.5),
    }


def test_the_baseline_is_the_best_plain_peft_without_a_threshold() -> None:
    plain, better = (
        result(point(0.0, 0.80, 0.9), point(0.2, 0.95, 0.4)),
        result(point(0.0, 0.82, 0.9), learning_rate=3e-3),
    )
    relu = replace(
        better, config=replace(better.config, activation="relu"), points=(point(0.0, 0.99, 0.4),)
    )
    quantized = replace(
        better, config=replace(better.config, quantization=Nf4()), points=(point(0.0, 0.98, 0.9),)
    )
    deft = result(point(0.0, 0.97, 0.3), weight=1.0)
    member = baselines_of([plain, relu, quantized, deft, better, result()]).get("peft")
    assert member is not None
    assert member.result == better
    assert (best := baselines_of([plain]).get("peft")) is not None
    assert best.values == measured(plain.points[0], plain.cost)
    assert baselines_of([relu, quantized, deft]).get("peft") is None


def test_front_json_reads_back() -> None:
    results = sweep_results()
    front = pareto_front(results, OBJECTIVES, [parse_constraint("score >= 0.7")])
    document = json.loads(front_json(front, front.members[1]))
    assert document["chosen"] == front.members[1].name
    assert [m["name"] for m in document["members"]] == [m.name for m in front.members]
    assert set(document["members"][0]["metrics"]) == set(METRICS) - {
        "written_density",
        "energy_ratio",
    }
    assert document["members"][0]["config"]["peft"]["kind"] == "lora"
    assert document["reference"] == {"score": 0.0, "activation_density": 1.0}


# Gains at equal density


def scored(threshold: float, density: float, scores: list[float]) -> Point:
    base = point(threshold, 0.5, density, n=len(scores))
    value = sum(scores) / len(scores)
    return replace(
        base, score=replace(base.score, value=value), example_scores=ExampleScores.of(scores)
    )


def test_the_twin_differs_in_the_density_loss_alone() -> None:
    deft = TrialConfig(density=DensityLoss(weight=2.0), activation="relu")
    assert twin_config(deft) == replace(deft, density=NoDensityLoss())
    assert twin_config(twin_config(deft)) == twin_config(deft)


def test_plain_is_mixed_to_the_density_of_deft() -> None:
    plain = result(scored(0.0, 0.8, [1, 1, 1, 0]), scored(0.5, 0.2, [1, 0, 0, 0]))
    deft = result(scored(0.1, 0.35, [1, 1, 0, 1]), weight=1.0)
    (gain,) = at_equal_density(deft, plain)
    # A quarter of the way from density 0.2 to 0.8.
    mixed = [1.0, 0.25, 0.25, 0.0]
    differences = np.array([1, 1, 0, 1]) - mixed
    assert gain.plain_score == pytest.approx(np.mean(mixed))
    assert gain.difference is not None
    assert gain.difference.value == pytest.approx(differences.mean())
    error = np.sqrt(sum((d - differences.mean()) ** 2 for d in differences) / 3 / 4)
    assert gain.difference.standard_error == pytest.approx(error)
    assert gain.difference.low == pytest.approx(differences.mean() - 1.96 * error, abs=1e-4)
    assert gain.plain_thresholds == ("0", "0.5")


def test_a_density_that_plain_was_measured_at_needs_no_mixing() -> None:
    plain = result(
        scored(0.0, 0.8, [1, 1, 1, 0]),
        scored(0.2, 0.5, [1, 1, 0, 0]),
        scored(0.5, 0.2, [1, 0, 0, 0]),
    )
    (gain,) = at_equal_density(result(scored(0.0, 0.5, [1, 1, 1, 1]), weight=1.0), plain)
    assert gain.plain_thresholds == ("0.2",)
    assert gain.plain_score == 0.5


@pytest.mark.parametrize("density", [0.1, 0.9])
def test_a_density_outside_the_plain_ones_gives_no_gain_and_says_so(density: float) -> None:
    plain = result(scored(0.0, 0.8, [1, 0]), scored(0.5, 0.2, [1, 0]))
    (gain,) = at_equal_density(result(scored(0.0, density, [1, 1]), weight=1.0), plain)
    assert gain.difference is None
    assert gain.plain_score is None
    assert "0.2 to 0.8" in gain.note


def test_what_cannot_be_paired_is_said() -> None:
    plain = result(scored(0.0, 0.5, [1, 0, 1]))
    (gain,) = at_equal_density(result(scored(0.0, 0.5, [1, 1]), weight=1.0), plain)
    assert "pair" in gain.note
    elsewhere = result(scored(0.0, 0.5, [1, 0, 1]), weight=1.0)
    assert elsewhere.provenance is not None
    moved = replace(
        elsewhere, provenance=replace(elsewhere.provenance, dataset_fingerprint="other")
    )
    assert "different data" in at_equal_density(moved, plain)[0].note


@relaxed
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=40))
def test_a_paired_difference_turns_with_its_order(pairs: list[tuple[int, int]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    forth, back = paired_difference(first, second), paired_difference(second, first)
    assert forth is not None
    assert back is not None
    assert forth.value == pytest.approx(-back.value)
    assert [forth.low, forth.high] == pytest.approx([-back.high, -back.low])
    assert forth.low <= forth.value <= forth.high
    assert paired_difference(first, first) == paired_difference(second, second)


def test_pairs_are_of_the_same_seed_where_there_is_one() -> None:
    plain = [result(scored(0.0, 0.5, [1, 0]), seed=seed) for seed in (0, 1)]
    deft = [result(scored(0.0, 0.5, [1, 1]), weight=1.0, seed=seed) for seed in (1, 7)]
    alone = result(scored(0.0, 0.5, [1, 1]), weight=1.0, learning_rate=0.5)
    gains = equal_density_gains([*plain, *deft, alone, result(weight=2.0)])
    assert [(g.deft.seed, g.plain.seed) for g in gains] == [(1, 1), (7, 0)]


def test_plain_against_itself_gains_nothing() -> None:
    plain = complete(sweep_results()[2])
    assert [
        gain.difference and gain.difference.value for gain in at_equal_density(plain, plain)
    ] == [0.0] * len(plain.points)


def by_block(
    share: float, score: float, density: float, thresholds: tuple[float, ...] = (0.1, 0.3)
) -> Point:
    return replace(
        point(sum(thresholds) / len(thresholds), score, density),
        percentile=share,
        block_thresholds=thresholds,
    )


def test_points_of_a_percentile_have_names_of_their_own_and_are_no_baseline() -> None:
    # Exact zeros reach the percentile without any threshold: the mean threshold alone would not
    # tell it from the first point.
    plain = result(
        point(0.0, 0.8, 0.5),
        point(0.2, 0.79, 0.4),
        by_block(0.5, 0.9, 0.39, (0.0, 0.0)),
        by_block(0.6, 0.7, 0.3, (0.2, 0.2)),
    )
    front = pareto_front([plain], OBJECTIVES)
    assert [member.name.partition("@")[2] for member in front.members] == ["p0.5", "p0.6"]
    baseline = baselines_of([plain]).get("peft")
    assert baseline is not None
    assert baseline.name.endswith("@0")
    assert plain.point_at(0.2) is plain.points[1]
    document = json.loads(front_json(front))["members"][1]
    assert (document["threshold"], document["percentile"], document["block_thresholds"]) == (
        0.2,
        0.6,
        [0.2, 0.2],
    )
    assert read_result(plain.to_json()) == plain


def test_a_point_has_block_thresholds_if_and_only_if_it_has_a_percentile() -> None:
    with pytest.raises(ValueError, match="if and only if"):
        replace(point(), percentile=0.5)
    with pytest.raises(ValueError, match="if and only if"):
        replace(point(), block_thresholds=(0.1,))


def test_a_gain_may_mix_a_threshold_with_a_percentile() -> None:
    deft = result(point(0.1, 0.8, 0.35), weight=1.0)
    (gain,) = at_equal_density(deft, result(point(0.0, 0.8, 0.5), by_block(0.8, 0.7, 0.2)))
    assert gain.plain_thresholds == ("0", "p0.8")


PUBLISHED_CHANGES = {
    "T5-small adapter": [(4.76, 3.51, 26.26), (4.07, 1.95, 52.08)],
    "T5-small LoRA": [(4.80, 3.33, 30.62), (3.97, 1.51, 61.96)],
    "T5-base adapter": [(2.64, 1.61, 39.01), (3.22, 0.96, 70.19)],
    "T5-base LoRA": [(2.70, 1.41, 47.77), (3.19, 0.58, 81.82)],
    "Flan-T5-XL adapter": [(99.99, 61.53, 38.46), (99.96, 18.70, 81.29)],
    "RoBERTa-base adapter, SST-2": [(99.59, 70.78, 28.93)],
    "RoBERTa-large adapter, SST-2": [(93.90, 40.68, 56.68)],
}
"""Densities of PEFT and DEFT and the change between them, in percent, as the paper prints them;
encoder, then decoder."""


@pytest.mark.parametrize("row", PUBLISHED_CHANGES)
def test_density_change_gives_the_published_ones(row: str) -> None:
    for peft, deft, change in PUBLISHED_CHANGES[row]:
        assert 100 * density_change(peft, deft) == pytest.approx(change, abs=0.02)


def test_equal_points_of_the_same_weights_are_one_member() -> None:
    trial = result(point(0.0, 0.8, 0.5), point(0.01, 0.8, 0.5), point(0.5, 0.7, 0.2))
    twin = result(point(0.0, 0.8, 0.5), learning_rate=0.5)
    front = pareto_front([trial, twin], OBJECTIVES)
    assert sorted(m.name for m in front.members) == sorted(
        [f"{trial.trial_id}@0", f"{trial.trial_id}@0.5", f"{twin.trial_id}@0"]
    )
    assert dict(front.equal) == {f"{trial.trial_id}@0": 2}
    alone = result(point(0.0, 0.8, 0.5), point(0.5, 0.7, 0.2))
    assert front.hypervolume == pareto_front([alone], OBJECTIVES).hypervolume
    members = json.loads(front_json(front))["members"]
    assert [m["n_equal"] for m in members if m["name"] == f"{trial.trial_id}@0"] == [2]

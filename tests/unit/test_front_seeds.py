"""Several seeds of a configuration: their mean on the front, and how sure each member is."""

import json
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from deft_sweeps.choice import choose
from deft_sweeps.front import baseline_member, candidates, configurations, front_json, membership, pareto_front
from deft_sweeps.front.noise import front_shares
from deft_sweeps.front.seeds import nearest_to_mean, seed_mean, t_975
from deft_sweeps.objective import Direction, parse_constraint, parse_policy
from deft_sweeps.report.cells import member_density_text, member_score_text
from deft_sweeps.report.tables import front_sheet
from deft_sweeps.result import TrialResult
from tests.made_sweep import sweep_results
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
MIN2: tuple[Direction, ...] = ("minimize", "minimize")


def seeds_of(weight: float, told: Iterable[tuple[float, float]]) -> list[TrialResult]:
    """One configuration with a seed for each score and density."""
    return [result(point(0.0, score, density), weight=weight, seed=i, finished_at=i + weight) for i, (score, density) in enumerate(told)]


def test_the_quantile_is_students() -> None:
    for degrees in (1, 2, 3, 4, 7, 10, 31, 200):
        assert t_975(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)


def test_the_interval_is_that_of_scipy() -> None:
    values = [0.81, 0.83, 0.8, 0.79]
    mean = seed_mean(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert [mean.value, mean.low, mean.high, mean.n_seeds] == pytest.approx([float(np.mean(values)), low, high, 4])
    with pytest.raises(ValueError, match="at least 2"):
        seed_mean([0.8])


def test_the_seed_nearest_the_mean_stands_for_its_configuration() -> None:
    rows = [{"a": 1.0, "b": 50.0}, {"a": 2.0, "b": 20.0}, {"a": 3.1, "b": 0.0}]
    assert nearest_to_mean(rows, ("a", "b")) == 1
    assert nearest_to_mean([{"a": 1.0}, {"a": 3.0}], ("a",)) == 0, "the first of equals"
    assert nearest_to_mean([{"a": 1.0, "b": 5.0}, {"a": 1.0, "b": 5.0}], ("a", "b")) == 0


def test_seeds_of_a_configuration_compete_as_their_mean() -> None:
    lucky = seeds_of(1.0, [(0.9, 0.4), (0.7, 0.4), (0.74, 0.4)])
    steady = seeds_of(2.0, [(0.8, 0.3)])
    front = pareto_front([*lucky, *steady], OBJECTIVES)
    assert [m.name for m in front.members] == [f"{steady[0].trial_id}@0"], "the lucky seed alone would have been on the front"
    (member,) = [m for m in configurations([*lucky, *steady]) if m.seeds]
    assert member.values["score"] == pytest.approx((0.9 + 0.7 + 0.74) / 3)
    assert member.result.seed == 2
    assert [one.result.seed for one in member.seeds] == [0, 1, 2]
    assert member.over_seeds("score") == seed_mean([0.9, 0.7, 0.74])
    assert member.example_scores == tuple(np.mean([r.points[0].example_scores for r in lucky], axis=0))


def test_without_a_second_seed_nothing_is_pooled() -> None:
    results = sweep_results()
    assert configurations(results) == candidates(results)
    alone = candidates(results)[0]
    assert (alone.n_seeds, alone.over_seeds("score"), alone.example_scores) == (1, None, alone.point.example_scores)


def test_a_baseline_is_the_best_mean_and_a_choice_rests_on_means() -> None:
    lucky = seeds_of(0.0, [(0.9, 1.0), (0.7, 1.0)])
    other = [result(point(0.0, 0.83, 1.0), learning_rate=2e-3, seed=s, finished_at=5 + s) for s in (0, 1)]
    deft = seeds_of(1.0, [(0.84, 0.4), (0.8, 0.4)])
    baseline = baseline_member([*lucky, *other, *deft])
    assert baseline is not None
    assert baseline.result.config_id == other[0].config_id
    choice = choose(
        [*lucky, *other, *deft], OBJECTIVES, policy=parse_policy("best activation_density where score >= baseline(peft) - 0.02")
    )
    assert choice.member is not None
    assert choice.member.result.config_id == deft[0].config_id
    assert choice.difference is not None
    assert choice.difference.value == pytest.approx(0.82 - 0.83)
    assert "means over 2 training seeds" in choice.caveats[0]


def test_the_front_tells_its_seeds() -> None:
    results = [*seeds_of(1.0, [(0.84, 0.4), (0.8, 0.42)]), *seeds_of(0.0, [(0.9, 0.9)])]
    front = pareto_front(results, OBJECTIVES)
    sure = membership(results, front)
    told = json.loads(front_json(front, sure=sure))
    assert [m["n_seeds"] for m in told["members"]] == [1, 2]
    repeated = told["members"][1]
    assert [one["metrics"]["score"] for one in repeated["seeds"]] == [0.84, 0.8]
    interval = repeated["interval_over_seeds"]["score"]
    assert interval["low"] < 0.82 < interval["high"]
    assert 0 <= repeated["front_probability"] <= 1
    assert told["noise"]["source"] == "seeds"
    sheet = front_sheet(front, sure=sure)
    column = sheet.columns.index(">seeds")
    assert [row.cells[column] for row in sheet.rows] == ["1", "2"]
    assert ">P(on front)" in sheet.columns
    assert "over training seeds" in sheet.note
    member = front.members[1]
    assert member_score_text(member) == f"0.820 [{interval['low']:.3f}, {interval['high']:.3f}]"
    assert member_density_text(member) == "0.410 (0.410 / 0.410)"


clouds = arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.integers(0, 20).map(lambda v: v / 20))


@settings(deadline=None, max_examples=30)
@given(clouds)
def test_shares_agree_with_a_naive_loop(values: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (20, *values.shape))
    expected = np.zeros(len(values))
    for draw in noise:
        moved = values + draw
        for i, mine in enumerate(moved):
            expected[i] += not any(np.all(other <= mine) and np.any(other < mine) for other in moved)
    assert front_shares(values, [noise[:7], noise[7:]], MIN2).tolist() == pytest.approx((expected / 20).tolist())


def test_equal_points_are_equally_likely_and_a_point_far_ahead_is_certain() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, (4000, 4, 2))
    shares = front_shares(np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.1, 2.0]]), [noise], MIN2)
    assert shares[3] == 1
    assert np.ptp(shares[:3]) < 0.04
    assert 0.5 < shares[0] < 0.7, "of three equal ones 11/18 of the draws keep each"


def twice(weight: float, score: float, density: float, spread: float = 0.02) -> list[TrialResult]:
    return seeds_of(weight, [(score - spread, density), (score + spread, density)])


def test_probabilities_are_one_for_a_far_lead_less_for_a_near_one_and_follow_their_seed() -> None:
    results = [*twice(1.0, 0.9, 0.2), *twice(2.0, 0.7, 0.1), *twice(3.0, 0.69, 0.11), *twice(4.0, 0.5, 0.6)]
    front = pareto_front(results, OBJECTIVES)
    sure = membership(results, front)
    by_density = {m.point.density.overall: sure.probabilities[m.name] for m in front.members}
    assert by_density == {0.2: 1.0, 0.1: 1.0}, "of the lowest density nothing can dominate: the density has no noise"
    close = [*twice(1.0, 0.8, 0.2), *twice(2.0, 0.79, 0.1)]
    near = membership(close, pareto_front(close, OBJECTIVES))
    assert near == membership(close, pareto_front(close, OBJECTIVES))
    assert near != membership(close, pareto_front(close, OBJECTIVES), seed=1)
    lead, last = (near.probabilities[m.name] for m in pareto_front(close, OBJECTIVES).members)
    deviation = np.sqrt(2 * (0.02 * np.sqrt(2)) ** 2 / 2)  # Of the difference of two means of two seeds each.
    assert lead == pytest.approx(stats.norm.cdf(0.01 / deviation), abs=0.03)
    assert last == 1


def test_more_seeds_make_surer() -> None:
    few = [*twice(1.0, 0.8, 0.2), *twice(2.0, 0.79, 0.1)]
    many = [*seeds_of(1.0, [(0.78, 0.2), (0.82, 0.2)] * 4), *seeds_of(2.0, [(0.77, 0.1), (0.81, 0.1)] * 4)]
    lead = [membership(r, pareto_front(r, OBJECTIVES)).probabilities[pareto_front(r, OBJECTIVES).members[0].name] for r in (few, many)]
    assert lead[1] > lead[0] + 0.05


def test_thresholds_of_one_configuration_move_together() -> None:
    """Two thresholds that are a hair apart in score: drawn alone, the better one would often lose its lead."""
    trials = [
        result(point(0.0, score, 0.5), point(0.1, score - 0.01, 0.4), weight=1.0, seed=i, finished_at=i)
        for i, score in enumerate((0.70, 0.80, 0.90))
    ]
    sure = membership(trials, front := pareto_front(trials, OBJECTIVES))
    assert len(front.members) == 2
    assert set(sure.probabilities.values()) == {1.0}


def test_without_seeds_the_examples_are_drawn_again_and_the_same_ones_for_all() -> None:
    a, b = result(point(0.0, 0.8, 0.2), weight=1.0), result(point(0.0, 0.79, 0.1), weight=2.0)
    front = pareto_front([a, b], OBJECTIVES)
    paired = membership([a, b], front)
    assert paired.source == "examples"
    lone = [replace(r, points=tuple(replace(p, example_scores=()) for p in r.points)) for r in (a, b)]
    unpaired = membership(lone, pareto_front(lone, OBJECTIVES))
    name = front.members[0].name
    # One example in a hundred tells them apart: paired, the lead is lost only where that one is drawn seldom enough.
    assert paired.probabilities[name] == pytest.approx(stats.norm.cdf(0.01 / (np.sqrt(0.01 * 0.99 / 99))), abs=0.03)
    assert unpaired.probabilities[name] == pytest.approx(stats.norm.cdf(0.01 / np.hypot(0.04, np.sqrt(0.79 * 0.21 / 100))), abs=0.03)
    assert unpaired.probabilities[name] < paired.probabilities[name]


def test_limits_and_an_empty_front() -> None:
    results = [*twice(1.0, 0.8, 0.2), *twice(2.0, 0.5, 0.1)]
    limit = parse_constraint("score >= 0.6")
    front = pareto_front(results, OBJECTIVES, [limit])
    assert set(membership(results, front, [limit]).probabilities.values()) == {1.0}
    assert membership([], pareto_front([], OBJECTIVES)).probabilities == {}

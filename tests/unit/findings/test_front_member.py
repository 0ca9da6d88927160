"""Several seeds of a configuration: their mean on the front, and how sure each member is."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from deft_sweeps.findings import choose
from deft_sweeps.findings.baseline import baselines_of
from deft_sweeps.findings.front_json import front_json
from deft_sweeps.findings.front_member import candidates, configurations
from deft_sweeps.findings.membership import Membership, membership_of, noisy_point
from deft_sweeps.findings.pareto_front import ParetoFront, pareto_front
from deft_sweeps.metrics import ACTIVATION_DENSITY, SCORE, Direction
from deft_sweeps.objective import Constraint, parse_constraint, parse_policy
from deft_sweeps.outcomes import NO_SCORES
from deft_sweeps.report import choice_text
from deft_sweeps.report.front_tables import front_table
from deft_sweeps.report.table_cells import MeasuredRow, metric_text
from deft_sweeps.result import CompleteTrial
from deft_sweeps.statistics.front_probability import _rivals, front_shares
from deft_sweeps.statistics.measurement_noise import SeedNoise
from deft_sweeps.statistics.seed_mean import nearest_to_mean, seed_mean, t_975, t_quantile
from tests.made_sweep import sweep_results
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
MIN2: tuple[Direction, ...] = ("minimize", "minimize")


def membership(
    results: Sequence[CompleteTrial],
    front: ParetoFront,
    limits: Sequence[Constraint] = (),
    seed: int = 0,
) -> Membership:
    everyone = configurations(results, front.objectives)
    return membership_of(everyone, front, limits, baselines_of(results), seed)


def seeds_of(weight: float, values: Iterable[tuple[float, float]]) -> list[CompleteTrial]:
    """One configuration with a seed for each score and density."""
    return [
        result(point(0.0, score, density), weight=weight, seed=i, finished_at=i + weight)
        for i, (score, density) in enumerate(values)
    ]


def test_the_quantile_is_students() -> None:
    for degrees in (1, 2, 3, 4, 7, 10, 31, 200):
        assert t_975(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)
        assert t_quantile(0.9999, degrees) == pytest.approx(stats.t.ppf(0.99995, degrees), rel=1e-6)


def test_the_interval_is_that_of_scipy() -> None:
    values = [0.81, 0.83, 0.8, 0.79]
    mean = seed_mean(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert [mean.value, mean.low, mean.high, mean.n_seeds] == pytest.approx(
        [float(np.mean(values)), low, high, 4]
    )
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
    assert [m.name for m in front.members] == [f"{steady[0].trial_id}@0"], (
        "the lucky seed alone would have been on the front"
    )
    (member,) = [m for m in configurations([*lucky, *steady]) if m.seeds]
    assert member.values["score"] == pytest.approx((0.9 + 0.7 + 0.74) / 3)
    assert member.result.seed == 2
    assert [one.result.seed for one in member.seeds] == [0, 1, 2]
    assert member.over_seeds("score") == seed_mean([0.9, 0.7, 0.74], (0.0, 1.0))
    assert np.array_equal(
        member.example_scores, np.mean([r.points[0].example_scores.array() for r in lucky], axis=0)
    )


def test_without_a_second_seed_nothing_is_pooled() -> None:
    results = sweep_results()
    assert configurations(results) == candidates(results)
    alone = candidates(results)[0]
    assert (alone.n_seeds, alone.over_seeds("score")) == (1, None)
    assert np.array_equal(alone.example_scores, alone.point.example_scores.array())


def test_a_baseline_is_the_best_mean_and_a_choice_rests_on_means() -> None:
    lucky = seeds_of(0.0, [(0.9, 1.0), (0.7, 1.0)])
    other = [
        result(point(0.0, 0.83, 1.0), learning_rate=2e-3, seed=s, finished_at=5 + s) for s in (0, 1)
    ]
    deft = seeds_of(1.0, [(0.84, 0.4), (0.8, 0.4)])
    baseline = baselines_of([*lucky, *other, *deft]).get("peft")
    assert baseline is not None
    assert baseline.result.config_id == other[0].config_id
    choice = choose(
        [*lucky, *other, *deft],
        OBJECTIVES,
        policy=parse_policy("best activation_density where score >= baseline(peft) - 0.02"),
    )
    assert choice.member is not None
    assert choice.member.result.config_id == deft[0].config_id
    assert choice.difference is not None
    assert choice.difference.value == pytest.approx(0.82 - 0.83)
    assert "means over 2 training seeds" in choice_text.caveats(choice)[0]


def test_the_front_tells_its_seeds() -> None:
    results = [*seeds_of(1.0, [(0.84, 0.4), (0.8, 0.42)]), *seeds_of(0.0, [(0.9, 0.9)])]
    front = pareto_front(results, OBJECTIVES)
    sure = membership(results, front)
    document = json.loads(front_json(front, sure=sure))
    assert [m["n_seeds"] for m in document["members"]] == [1, 2]
    repeated = document["members"][1]
    assert [one["metrics"]["score"] for one in repeated["seeds"]] == [0.84, 0.8]
    interval = repeated["interval_over_seeds"]["score"]
    assert interval["low"] < 0.82 < interval["high"]
    assert 0 <= repeated["front_probability"] <= 1
    assert document["noise"]["source"] == "seeds"
    table = front_table(front, sure=sure)
    column = table.columns.index(">seeds")
    assert [row.cells[column] for row in table.rows] == ["1", "2"]
    assert ">P(on front)" in table.columns
    assert "probability that the member belongs to the true front, given the measured" in table.note
    assert "over training seeds" in table.note
    member = front.members[1]
    assert (
        metric_text(SCORE, MeasuredRow.of_member(member))
        == f"0.820 [{interval['low']:.3f}, {interval['high']:.3f}]"
    )
    assert metric_text(ACTIVATION_DENSITY, MeasuredRow.of_member(member)) == "0.410 (0.410 / 0.410)"


def test_an_interval_over_seeds_ends_where_the_metric_does() -> None:
    (member,) = configurations(results := seeds_of(1.0, [(0.99, 0.02), (0.69, 0.22)]))
    assert metric_text(SCORE, MeasuredRow.of_member(member)) == "0.840 [0.000, 1.000]"
    density = member.over_seeds("activation_density")
    assert density is not None
    assert (density.low, density.high) == (0.0, 1.0)
    assert "0.000 to 1.000, over seeds" in choice_text.caveats(choose(results, OBJECTIVES))[0]
    related = replace(
        member, point=replace(member.point, score=replace(member.point.score, metric="pearson"))
    )
    assert metric_text(SCORE, MeasuredRow.of_member(related)) == "0.840 [-1.000, 1.000]"


clouds = arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.just(2)),
    elements=st.integers(0, 20).map(lambda v: v / 20),
)


@pytest.mark.parametrize("moving", [slice(None), slice(0, 1), slice(1, None), slice(0, 0)])
@settings(deadline=None, max_examples=30)
@given(clouds)
def test_shares_agree_with_a_naive_loop(moving: slice, values: np.ndarray) -> None:
    noise = np.zeros((20, *values.shape))
    drawn = np.random.default_rng(0).normal(0, 0.1, (20, *values.shape))
    noise[..., moving] = drawn[..., moving]
    expected = np.zeros(len(values))
    for draw in noise:
        moved = values + draw
        for i, mine in enumerate(moved):
            expected[i] += not any(
                np.all(other <= mine) and np.any(other < mine) for other in moved
            )
    assert front_shares(values, [noise[:7], noise[7:]]).tolist() == pytest.approx(
        (expected / 20).tolist()
    )


def test_equal_points_are_equally_likely_and_a_point_far_ahead_is_certain() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, (4000, 4, 2))
    shares = front_shares(np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.1, 2.0]]), [noise])
    assert shares[3] == 1
    assert np.ptp(shares[:3]) < 0.04
    assert 0.5 < shares[0] < 0.7, "of three equal ones 11/18 of the draws keep each"


def twice(weight: float, score: float, density: float, spread: float = 0.02) -> list[CompleteTrial]:
    return seeds_of(weight, [(score - spread, density), (score + spread, density)])


def exactly(results: Iterable[CompleteTrial]) -> list[CompleteTrial]:
    """The same, as if every example there is had been measured: the noise of training alone is
    left.
    """
    return [
        replace(
            r,
            points=tuple(
                replace(p, score=replace(p.score, standard_error=0.0), example_scores=NO_SCORES)
                for p in r.points
            ),
        )
        for r in results
    ]


def test_probabilities_are_one_for_a_far_lead_less_for_a_near_one_and_follow_their_seed() -> None:
    results = [
        *twice(1.0, 0.9, 0.2),
        *twice(2.0, 0.7, 0.1),
        *twice(3.0, 0.69, 0.11),
        *twice(4.0, 0.5, 0.6),
    ]
    front = pareto_front(results, OBJECTIVES)
    sure = membership(results, front)
    by_density = {m.point.density.overall: sure.probabilities[m.name] for m in front.members}
    assert by_density[0.1] == 1.0, (
        "of the lowest density nothing can dominate: the density has no noise"
    )
    assert 0.99 < by_density[0.2] < 1.0, (
        "four degrees of freedom leave a little doubt at seven deviations"
    )
    close = exactly([*twice(1.0, 0.8, 0.2), *twice(2.0, 0.79, 0.1)])
    near = membership(close, pareto_front(close, OBJECTIVES))
    assert near == membership(close, pareto_front(close, OBJECTIVES))
    assert near != membership(close, pareto_front(close, OBJECTIVES), seed=1)
    lead, last = (near.probabilities[m.name] for m in pareto_front(close, OBJECTIVES).members)
    # Of the difference of two means of two seeds each.
    deviation = np.sqrt(2 * (0.02 * np.sqrt(2)) ** 2 / 2)
    assert lead == pytest.approx(stats.t.cdf(0.01 / deviation, 2), abs=0.03)
    assert last == 1


def test_more_seeds_make_surer() -> None:
    few = [*twice(1.0, 0.8, 0.2), *twice(2.0, 0.79, 0.1)]
    many = [
        *seeds_of(1.0, [(0.78, 0.2), (0.82, 0.2)] * 4),
        *seeds_of(2.0, [(0.77, 0.1), (0.81, 0.1)] * 4),
    ]
    lead = [
        membership(r, pareto_front(r, OBJECTIVES)).probabilities[
            pareto_front(r, OBJECTIVES).members[0].name
        ]
        for r in (few, many)
    ]
    assert lead[1] > lead[0] + 0.05


def test_thresholds_of_one_configuration_move_together() -> None:
    """Two thresholds that are a hair apart in score: drawn alone, the better one would often lose
    its lead.
    """
    trials = exactly(
        result(
            point(0.0, score, 0.5), point(0.1, score - 0.01, 0.4), weight=1.0, seed=i, finished_at=i
        )
        for i, score in enumerate((0.70, 0.80, 0.90))
    )
    sure = membership(trials, front := pareto_front(trials, OBJECTIVES))
    assert len(front.members) == 2
    assert set(sure.probabilities.values()) == {1.0}


def test_without_seeds_the_examples_are_drawn_again_and_the_same_ones_for_all() -> None:
    a, b = result(point(0.0, 0.8, 0.2), weight=1.0), result(point(0.0, 0.79, 0.1), weight=2.0)
    front = pareto_front([a, b], OBJECTIVES)
    paired = membership([a, b], front)
    assert paired.source == "examples"
    lone = [
        replace(r, points=tuple(replace(p, example_scores=NO_SCORES) for p in r.points))
        for r in (a, b)
    ]
    unpaired = membership(lone, pareto_front(lone, OBJECTIVES))
    name = front.members[0].name
    # One example in a hundred tells them apart: paired, the lead is lost only where that one is
    # drawn seldom enough.
    assert paired.probabilities[name] == pytest.approx(
        stats.norm.cdf(0.01 / (np.sqrt(0.01 * 0.99 / 99))), abs=0.03
    )
    assert unpaired.probabilities[name] == pytest.approx(
        stats.norm.cdf(0.01 / np.hypot(0.04, np.sqrt(0.79 * 0.21 / 100))), abs=0.03
    )
    assert unpaired.probabilities[name] < paired.probabilities[name]


def brute_force(
    means: np.ndarray, deviations: np.ndarray, degrees: int, n: int = 4000
) -> np.ndarray:
    """In which share of draws each point is on the front: all points, no shortcut, one draw at a
    time; scores rise, densities stand.
    """
    rng = np.random.default_rng(11)
    on_front = np.zeros(len(means))
    for _ in range(n):
        scores = means[:, 0] + rng.normal(0, deviations) / np.sqrt(rng.chisquare(degrees) / degrees)
        beaten = (scores[None] >= scores[:, None]) & (means[None, :, 1] <= means[:, 1, None])
        on_front += beaten.sum(axis=1) == 1  # Itself alone.
    return on_front / n


@pytest.mark.parametrize("gap", [0.01, 0.03, 0.05])
def test_a_rival_counts_as_far_as_both_it_and_the_member_may_move(gap: float) -> None:
    """A member of one seed moves more than its rivals of 40, which alone would hardly ever come so
    far; against all points drawn.
    """
    offsets = np.array([-0.03, -0.02, 0.0, 0.02, 0.03] * 8)
    rows = [
        (0.85, 0.25, 1),
        (0.85 - gap, 0.25, 40),
        (0.84 - gap, 0.25, 40),
        (0.5, 0.5, 1),
        (0.6, 0.125, 40),
    ]
    results = exactly(
        one
        for weight, (score, density, n) in enumerate(rows, 1)
        for one in seeds_of(
            weight, [(score + off, density) for off in (offsets if n > 1 else [0.0])]
        )
    )
    front = pareto_front(results, OBJECTIVES)
    sure = membership(results, front)
    pool = configurations(results, OBJECTIVES)
    means = np.array([[m.values[name] for name in OBJECTIVES] for m in pool])
    freedom = sum(m.n_seeds - 1 for m in pool)
    variance = (
        sum((one.values["score"] - m.values["score"]) ** 2 for m in pool for one in m.seeds)
        / freedom
    )
    shares = brute_force(means, np.array([np.sqrt(variance / m.n_seeds) for m in pool]), freedom)
    expected = {m.name: share for m, share in zip(pool, shares, strict=True)}
    for member in front.members:
        assert sure.probabilities[member.name] == pytest.approx(expected[member.name], abs=0.035)


def test_a_point_is_left_out_only_where_a_member_stays_ahead_within_both_reaches() -> None:
    values = np.array([[0.0, 0.0], [0.034, 0.0], [0.087, 0.0], [0.089, 0.0]])
    reach = np.array([[0.08, 0.0], [0.036, 0.0], [0.036, 0.0], [0.036, 0.0]])
    assert _rivals(values, reach, [0])[0].tolist() == [0, 1, 2], (
        "0.0877 is what both together reach"
    )


def test_two_equal_seeds_are_no_proof_that_training_has_no_noise() -> None:
    """One example in 400 tells the two apart: the examples alone leave that open."""

    def one(weight: float, right: int, density: float, seed: int) -> CompleteTrial:
        return result(
            point(0.0, right / 400, density, n=400),
            weight=weight,
            seed=seed,
            finished_at=seed + weight,
        )

    equal = [one(1.0, 320, 0.2, 0), one(1.0, 320, 0.2, 1), one(2.0, 319, 0.1, 0)]
    sure = membership(equal, front := pareto_front(equal, OBJECTIVES))
    assert sure.source == "examples"
    assert "1 configuration(s) that have several do not differ (1 degrees of freedom)" in sure.note
    lead = front.members[0].name
    # The scores differ in one example: its mean over 400, against the deviation of that mean.
    by_examples = stats.norm.cdf((1 / 400) / np.sqrt(1 / 400 * 399 / 400 / 399))
    assert sure.probabilities[lead] == pytest.approx(by_examples, abs=0.03)
    # Seeds that differ by one example do not make it surer than the examples do.
    near = [one(1.0, 320, 0.2, 0), one(1.0, 321, 0.2, 1), one(2.0, 319, 0.1, 0)]
    both = membership(near, front := pareto_front(near, OBJECTIVES))
    assert both.source == "seeds"
    assert "t distributed (1 degrees of freedom)" in both.note
    assert "400 validation examples are drawn again as well" in both.note
    rng = np.random.default_rng(5)
    mean_scores, single = (
        np.mean([near[0].points[0].example_scores, near[1].points[0].example_scores], axis=0),
        near[2].points[0].example_scores,
    )
    wins = 0
    for _ in range(4000):
        again = rng.integers(0, 400, 400)
        cauchy = rng.standard_t(1) * (1 / 400 / np.sqrt(2)) * np.sqrt(1 / 2 + 1)
        wins += np.mean(mean_scores[again]) - np.mean(np.asarray(single)[again]) + cauchy > 0
    assert both.probabilities[front.members[0].name] == pytest.approx(wins / 4000, abs=0.03)


def test_seeds_outside_the_limits_tell_of_the_noise_too() -> None:
    results = exactly(
        [
            *seeds_of(1.0, [(0.8, 0.2)]),
            *seeds_of(2.0, [(0.79, 0.1)]),
            *twice(3.0, 0.5, 0.05),
            *twice(4.0, 0.4, 0.05),
        ]
    )
    limit = parse_constraint("score >= 0.6")
    front = pareto_front(results, OBJECTIVES, [limit])
    sure = membership(results, front, [limit])
    assert sure.source == "seeds"
    assert "over the 2 that have several" in sure.note
    assert "examples are taken as given" in sure.note
    expected = stats.t.cdf(0.01 / (0.02 * np.sqrt(2) * np.sqrt(2)), 2)
    assert sure.probabilities[front.members[0].name] == pytest.approx(expected, abs=0.03)


def test_the_draws_of_a_configuration_have_the_covariance_of_its_seeds() -> None:
    """Two thresholds, two objectives; one threshold was measured with fewer seeds. Against the
    pooled covariance of a naive loop.
    """
    rng = np.random.default_rng(2)
    trials = [
        result(
            point(0.0, 0.7 + rng.normal(0, 0.05), 0.5 + rng.normal(0, 0.02), n=1000),
            *(
                (point(0.1, 0.6 + rng.normal(0, 0.05), 0.3 + rng.normal(0, 0.01), n=1000),)
                if seed < 30
                else ()
            ),
            weight=weight,
            seed=seed,
        )
        for weight in (1.0, 2.0)
        for seed in range(40)
    ]
    trials = exactly(trials)
    pool = configurations(trials, OBJECTIVES)
    points = [noisy_point(member, OBJECTIVES) for member in pool]
    noise = SeedNoise(points, points, 2)
    drawn = noise.sampler(np.arange(4))(20_000, np.random.default_rng(3)).reshape(20_000, 8)
    assert [(m.point.at, m.n_seeds) for m in pool] == [
        ("0", 40),
        ("0.1", 30),
        ("0", 40),
        ("0.1", 30),
    ]
    expected = np.zeros((8, 8))
    freedom = {"0": 78, "0.1": 58}
    for a, b in product(range(4), repeat=2):
        if a // 2 == b // 2:
            total = np.zeros((2, 2))
            for first, second in ((0, 1), (2, 3)):
                one, other = (pool[(first, second)[i % 2]] for i in (a, b))
                rows = {
                    s.result.trial_id: np.array([s.values[n] - other.values[n] for n in OBJECTIVES])
                    for s in other.seeds
                }
                for s in one.seeds:
                    if s.result.trial_id in rows:
                        total += np.outer(
                            [s.values[n] - one.values[n] for n in OBJECTIVES],
                            rows[s.result.trial_id],
                        )
            scale = np.sqrt(
                freedom[pool[a].point.at]
                * freedom[pool[b].point.at]
                * pool[a].n_seeds
                * pool[b].n_seeds
            )
            expected[2 * a : 2 * a + 2, 2 * b : 2 * b + 2] = total / scale
    # Of a t distribution the variance is larger by degrees / (degrees - 2).
    spread = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        np.cov(drawn.T) / np.outer(spread, spread), expected / np.outer(spread, spread), atol=0.06
    )


def test_points_that_equal_each_other_never_dominate_each_other() -> None:
    """Five thresholds that change nothing, as of exact zeros: drawn apart they would differ in
    their last digit.
    """

    def same(score: float, seed: int = 0) -> CompleteTrial:
        return result(
            *(point(at, score, 0.4, n=601) for at in (0.0, 0.1, 0.2, 0.3, 0.4)),
            weight=1.0,
            seed=seed,
        )

    lone = [same(0.83)]
    assert set(membership(lone, pareto_front(lone, OBJECTIVES)).probabilities.values()) == {1.0}
    seeds = [
        same(score, i) for i, score in enumerate(np.random.default_rng(0).normal(0.8, 0.03, 7))
    ]
    # A front lists equal points once; here each is asked for.
    front = replace(pareto_front(seeds, OBJECTIVES), members=configurations(seeds))
    sure = membership(seeds, front)
    assert sure.source == "seeds"
    assert len(sure.probabilities) == 5
    assert set(sure.probabilities.values()) == {1.0}


def test_limits_and_an_empty_front() -> None:
    results = [*twice(1.0, 0.8, 0.2), *twice(2.0, 0.5, 0.1)]
    limit = parse_constraint("score >= 0.6")
    front = pareto_front(results, OBJECTIVES, [limit])
    assert set(membership(results, front, [limit]).probabilities.values()) == {1.0}
    assert membership([], pareto_front([], OBJECTIVES)).probabilities == {}

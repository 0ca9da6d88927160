"""The decision core: ASHA's rule on several objectives, and that it can be played again."""

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deft_sweeps.config.axes import Training
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.objective import parse_constraint
from deft_sweeps.outcomes import NO_SCORES
from deft_sweeps.result import Point, Rung
from deft_sweeps.specification.search_settings import Halving, RankName
from deft_sweeps.stopping.early_stopping import _rule
from deft_sweeps.stopping.halving import N_PEERS, HalvingRule, violations
from tests.fakes import fake_spec
from tests.samples import point as sample

OBJECTIVES = ("score", "activation_density")
STEPS = 81
RUNGS = Halving().at(STEPS)


def point(threshold: float, score: float, density: float) -> Point:
    made = sample(threshold, 0.5, density)
    return replace(made, score=replace(made.score, value=score), example_scores=NO_SCORES)


def config(number: int) -> TrialConfig:
    return TrialConfig(training=Training(steps=STEPS, learning_rate=1e-6 * (number + 1)))


def rung(score: float, density: float = 0.5, step: int = RUNGS[0]) -> Rung:
    return Rung(step=step, points=(point(0.0, score, density),))


def rule(how: RankName = "dominated", limits: tuple[str, ...] = (), eta: int = 3) -> HalvingRule:
    return HalvingRule(
        Halving(eta=eta, rank=how), OBJECTIVES, tuple(parse_constraint(text) for text in limits)
    )


@pytest.mark.parametrize(
    ("halving", "steps", "rungs"),
    [
        (Halving(), 81, (9, 27, 81)),
        (Halving(), 20, (2, 7, 20)),
        (Halving(eta=2, rungs=4), 60, (8, 15, 30, 60)),
        (Halving(eta=4, rungs=2), 100, (25, 100)),
    ],
)
def test_rungs_are_geometric_and_end_with_the_training(
    halving: Halving, steps: int, rungs: tuple[int, ...]
) -> None:
    assert halving.at(steps) == rungs


@given(eta=st.integers(2, 5), rungs=st.integers(2, 4), more=st.integers(0, 300))
def test_rungs_rise_wherever_there_is_room(eta: int, rungs: int, more: int) -> None:
    halving = Halving(eta=eta, rungs=rungs)
    at = halving.at(halving.least_steps + more)
    assert len(at) == rungs
    assert at[0] >= 1
    assert all(a < b for a, b in pairwise(at))


def test_the_first_few_go_on_and_then_the_best_third() -> None:
    halving = rule()
    scores = [0.5, 0.4, 0.3, 0.6, 0.45, 0.55, 0.7, 0.65, 0.62]
    # With one objective that differs, the order is that of the scores; the n-th goes on if it is
    # among the best n // 3.
    wanted = [
        n < 3 or sorted(scores[:n], reverse=True).index(scores[n - 1]) < n // 3
        for n in range(1, 10)
    ]
    assert [
        halving.may_continue(config(i), 0, rung(score)) for i, score in enumerate(scores)
    ] == wanted
    assert wanted == [True, True, False, True, False, True, True, True, True]


def test_a_rung_is_decided_once_and_counted_once() -> None:
    halving = rule()
    for i, score in enumerate((0.5, 0.6)):
        assert halving.may_continue(config(i), 0, rung(score))
    for _ in range(5):
        assert halving.may_continue(config(0), 0, rung(0.5)), "told again after its worker was lost"
    assert halving.may_continue(config(2), 0, rung(0.7)), (
        "the best of three: one place, and not six times two"
    )
    assert not halving.may_continue(config(3), 0, rung(0.4))
    assert halving.may_continue(config(0), 0, rung(0.5))


def test_what_is_no_rung_is_not_decided() -> None:
    halving = rule()
    for i in range(9):
        assert halving.may_continue(config(i), 0, rung(0.9 - i / 10, step=10))
        assert halving.may_continue(config(i), 0, rung(0.9 - i / 10, step=STEPS))


def test_trials_of_other_lengths_meet_at_the_same_share() -> None:
    halving = rule()
    for i, steps in enumerate((81, 162, 243)):
        trial = TrialConfig(training=Training(steps=steps))
        assert halving.may_continue(trial, 0, rung(0.9 - i / 10, step=steps // 9)) is (i < 2)


def test_a_whole_trial_goes_on_and_is_compared_with() -> None:
    halving = rule()
    for i in range(4):
        assert halving.may_continue(config(i), 0, rung(0.9 - i / 10), whole=True)
    assert not halving.may_continue(config(9), 0, rung(0.85)), "second of five, one place"


def test_a_trial_without_an_objective_goes_on_and_counts_for_nobody() -> None:
    halving = HalvingRule(Halving(), ("score", "written_density"))
    assert [halving.may_continue(config(i), 0, rung(0.9 - i / 10)) for i in range(6)] == [True] * 6


@pytest.mark.parametrize("how", get_args(RankName))
def test_a_trial_is_as_good_as_its_best_threshold(how: RankName) -> None:
    halving = rule(how)
    for i in range(5):
        halving.may_continue(config(i), 0, rung(0.8, 0.6 + i / 100))
    torn = Rung(step=RUNGS[0], points=(point(0.0, 0.5, 0.9), point(0.2, 0.81, 0.3)))
    assert halving.may_continue(config(9), 0, torn)
    assert not halving.may_continue(config(10), 0, Rung(step=RUNGS[0], points=torn.points[:1]))


def test_limits_at_a_rung_mean_what_they_mean_at_the_end() -> None:
    halving = rule(limits=("score >= baseline(peft) - 0.1", "weight_bytes <= 1 MiB"))
    deft = [replace(config(i), activation="relu") for i in range(9)]
    assert halving.may_continue(deft[0], 0, rung(0.3, 0.01))
    assert halving.may_continue(config(0), 0, rung(0.6, 0.99)), (
        "plain PEFT: from here on 0.5 is the least"
    )
    assert not halving.may_continue(deft[1], 0, rung(0.4, 0.001)), "the sparsest, and outside"
    assert halving.may_continue(deft[2], 0, rung(0.55, 0.1), whole=True)
    assert not halving.may_continue(deft[3], 0, rung(0.45, 0.0001))
    assert halving.may_continue(deft[4], 0, rung(0.62, 0.05))


def test_a_limit_on_a_proxy_stops_no_trial() -> None:
    arrivals = [(config(i), rung(0.5 + 0.1 * (i * 7 % 5), 0.5)) for i in range(12)]
    proxies = ("latency_sec <= 1 ms", "peak_memory_bytes <= baseline(peft)")
    verdicts = [
        [halving.may_continue(c, 0, r) for c, r in arrivals]
        for halving in (rule(), rule(limits=proxies))
    ]
    assert verdicts[0] == verdicts[1]
    assert not all(verdicts[0])
    limits = tuple(map(parse_constraint, (*proxies, "score >= 0.1")))
    halving = _rule(replace(fake_spec(), limits=limits, stopping=Halving()))
    assert halving is not None
    assert [str(limit) for limit in halving._limits] == ["score >= 0.1"]


def test_surely_is_not_asked_for_at_a_rung() -> None:
    """Rungs keep no scores of single examples: by the errors of both scores the baseline itself
    would be outside.
    """
    plainly, surely = (
        rule(limits=(f"{word}score >= baseline(peft) - 0.05",)) for word in ("", "surely ")
    )
    scores = np.random.default_rng(0).uniform(0.4, 0.9, 20)
    arrivals = [
        (config(0), rung(0.8, 0.9)),
        *(
            (replace(config(i), activation="relu"), rung(float(s), float(s)))
            for i, s in enumerate(scores)
        ),
    ]
    verdicts = [
        [halving.may_continue(c, 0, r) for c, r in arrivals] for halving in (plainly, surely)
    ]
    assert verdicts[0] == verdicts[1]
    assert not all(verdicts[0])


def test_a_baseline_at_a_rung_is_the_mean_over_its_seeds() -> None:
    halving = rule(limits=("score >= baseline(peft) - 0.1",))
    for seed, score in enumerate((0.9, 0.5)):
        assert halving.may_continue(config(0), seed, rung(score, 0.99))
    halving.may_continue(replace(config(1), activation="relu"), 0, rung(0.62, 0.5))
    assert halving.may_continue(replace(config(2), activation="relu"), 0, rung(0.65, 0.1)), (
        "by the mean 0.6 is the least, by the lucky seed 0.8"
    )


def test_violations_are_shares_of_the_largest() -> None:
    halving = rule()
    members = [
        m
        for i, score in enumerate((0.5, 0.7, 0.9))
        for m in halving._points(config(i), 0, rung(score))
    ]
    limits = [
        parse_constraint("score >= 0.8"),
        parse_constraint("activation_density <= 0.25"),
        parse_constraint("weight_bytes <= 1"),
    ]
    assert violations(members, limits, {}).tolist() == pytest.approx([2.0, 1.0 + 1 / 3, 1.0])
    assert violations(members, [parse_constraint("score >= baseline(peft)")], {}).tolist() == [
        0.0,
        0.0,
        0.0,
    ]


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_a_restart_decides_the_same(seed: int) -> None:
    """Whatever is recorded, in whatever order, the next decisions are those of a driver that never
    died.
    """
    rng = np.random.default_rng(seed)
    arrivals = [(config(i), rung(*rng.uniform(size=2))) for i in range(24)]
    through = rule()
    verdicts = [through.may_continue(c, 0, r) for c, r in arrivals]
    cut = int(rng.integers(1, 24))
    again = rule()
    for i in rng.permutation(cut):
        again.record(arrivals[i][0], 0, arrivals[i][1], verdicts[i])
    assert [again.may_continue(c, 0, r) for c, r in arrivals] == verdicts


@pytest.mark.parametrize("how", get_args(RankName))
def test_about_a_ninth_reaches_the_end(how: RankName) -> None:
    rng = np.random.default_rng(5)
    halving, n = rule(how), 120
    values = rng.uniform(size=(n, 2))
    at_first = [
        i
        for i in range(n)
        if halving.may_continue(config(i), 0, rung(float(values[i, 0]), float(values[i, 1])))
    ]
    at_second = [
        i
        for i in at_first
        if halving.may_continue(
            config(i), 0, rung(float(values[i, 0]), float(values[i, 1]), step=RUNGS[1])
        )
    ]
    assert n / 3 - 8 <= len(at_first) <= n / 3 + 16
    # The second time the order is known from the first, and the later of the survivors are the
    # better ones.
    assert n / 9 - 6 <= len(at_second) <= n / 9 + 14


def test_of_very_many_a_sample_is_compared_with_that_does_not_depend_on_their_order() -> None:
    rng = np.random.default_rng(2)
    arrivals = [
        (config(i), rung(float(score))) for i, score in enumerate(rng.uniform(size=2 * N_PEERS))
    ]
    one, other = rule(), rule()
    for c, r in arrivals:
        one.record(c, 0, r, True)
    for c, r in reversed(arrivals):
        other.record(c, 0, r, True)
    probes = [
        (config(10**4 + i), rung(float(score))) for i, score in enumerate(np.linspace(0.4, 0.9, 26))
    ]
    verdicts = [one.may_continue(c, 0, r) for c, r in probes]
    assert verdicts == [other.may_continue(c, 0, r) for c, r in probes]
    assert len(one._reached[0].peers) == N_PEERS
    # The scores are uniform: the third's border is at 2/3, give or take what a sample of that size
    # errs.
    assert abs(float(np.linspace(0.4, 0.9, 26)[verdicts.index(True)]) - 2 / 3) < 0.1

"""How the front grew, when it counts as flat, and what more trials would bring."""

from itertools import pairwise
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from deft_sweeps.findings.front_history import history_of
from deft_sweeps.findings.pareto_front import pareto_front
from deft_sweeps.front import hypervolume, losses
from deft_sweeps.metrics import Direction
from deft_sweeps.objective import parse_constraint
from deft_sweeps.result import TrialResult
from deft_sweeps.statistics.plateau import (
    WINDOW,
    FrontHistory,
    _share_bound,
    gain_bound,
    hypervolumes,
    project,
)
from tests.made_sweep import sweep_results
from tests.samples import point, result

OBJECTIVES = ("score", "activation_density")
MIN2: tuple[Direction, ...] = ("minimize", "minimize")


def random_history(n: int, seed: int = 0) -> FrontHistory:
    values = np.random.default_rng(seed).uniform(size=(n, 2))
    return FrontHistory(tuple(values[i : i + 1] for i in range(n)), np.array([1.0, 1.0]))


def test_volumes_are_those_of_every_prefix() -> None:
    results = sweep_results()
    history = history_of(results, OBJECTIVES)
    ordered = sorted(results, key=lambda r: (r.finished_at, r.trial_id))
    whole = pareto_front(results, OBJECTIVES)
    expected = [
        pareto_front(ordered[: i + 1], OBJECTIVES, reference=whole.reference).hypervolume
        for i in range(len(ordered))
    ]
    assert hypervolumes(history).tolist() == pytest.approx(expected)


def test_the_volume_is_taken_only_after_trials_that_change_the_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three objectives in mixed directions, repeated and empty trials among them; against the
    volume of every prefix.
    """
    directions: tuple[Direction, ...] = ("maximize", "minimize", "minimize")
    values = np.random.default_rng(3).integers(0, 8, size=(60, 3)) / 8
    history = FrontHistory(
        (
            *(losses(values[i : i + 2], directions) for i in range(0, 60, 2)),
            losses(values[:2], directions),
            np.zeros((0, 3)),
        ),
        losses([[-0.1, 1.1, 1.1]], directions)[0],
    )
    so_far = [np.concatenate(history.losses[: i + 1]) for i in range(len(history.losses))]
    expected = [hypervolume(points, history.reference) for points in so_far]
    rising = sum(after > before + 1e-12 for before, after in pairwise([0.0, *expected]))
    counted = Mock(side_effect=hypervolume)
    monkeypatch.setattr("deft_sweeps.statistics.plateau.hypervolume", counted)
    assert hypervolumes(history).tolist() == pytest.approx(expected)
    assert counted.call_count == rising < len(expected)


def test_points_outside_the_limits_add_nothing() -> None:
    results: list[TrialResult] = [
        result(point(0.0, 0.8, 0.3), finished_at=1),
        result(point(0.0, 0.5, 0.1), weight=1.0, finished_at=2),
        result(finished_at=3),
    ]
    history = history_of(results, OBJECTIVES, [parse_constraint("score >= 0.6")])
    assert [len(losses) for losses in history.losses] == [1, 0, 0]
    assert hypervolumes(history)[-1] == pytest.approx(0.8 * 0.7)


@settings(max_examples=40)
@given(st.integers(1, 60), st.data())
def test_the_share_bound_is_that_of_clopper_and_pearson(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    expected = 1.0 if hits == n else float(stats.beta.ppf(0.99, hits + 1, n - hits))
    assert _share_bound(hits, n) == pytest.approx(expected, abs=1e-9)


def test_nothing_is_said_of_too_few_trials_and_standing_still_is_flat() -> None:
    assert gain_bound(np.linspace(0.1, 0.2, WINDOW - 1)) is None
    assert gain_bound(np.linspace(0.1, 0.2, WINDOW + 4), skip=5) is None
    assert gain_bound(np.full(WINDOW, 0.3)) == 0
    assert gain_bound(np.zeros(99)) is None


def test_the_bound_lies_above_the_mean_gain_and_falls_with_more_misses() -> None:
    steady = np.linspace(0.5, 1.0, 101)[1:]
    bound = gain_bound(steady)
    assert bound is not None
    assert bound >= 0.005 - 1e-12
    stalled = [gain_bound(np.concatenate([steady, np.full(n, 1.0)])) for n in (10, 100, 1000)]
    assert stalled == sorted((b for b in stalled if b is not None), reverse=True)


def test_the_bound_is_seldom_below_the_truth_when_a_random_search_is_looked_at_once() -> None:
    """The true gain of one more uniform point is taken over many; 10 searches of 60 trials."""
    fresh = np.random.default_rng(99).uniform(size=(150, 2))
    below = 0
    for seed in range(10):
        history = random_history(60, seed)
        volumes = hypervolumes(history)
        values = np.concatenate(history.losses)
        true = (
            np.mean(
                [hypervolume(np.vstack([values, one]), [1, 1], MIN2) - volumes[-1] for one in fresh]
            )
            / volumes[-1]
        )
        bound = gain_bound(volumes)
        below += bound is not None and bound < true
    assert below <= 1


def test_the_projection_is_near_the_truth_on_average_and_its_interval_holds_it_mostly() -> None:
    rows = []
    for seed in range(8):
        whole = random_history(45, seed)
        projection = project(FrontHistory(whole.losses[:30], whole.reference))
        assert projection is not None
        assert (projection.n_trials, projection.n_more) == (30, 15)
        assert 0 <= projection.low <= projection.gain <= projection.high
        volumes = hypervolumes(whole)
        true = (volumes[-1] - volumes[29]) / volumes[29]
        rows.append((projection.gain, true, projection.low <= true <= projection.high))
    projected, true, held = np.mean(rows, axis=0)
    assert projected == pytest.approx(true, rel=0.5)
    assert held >= 0.65


def test_a_projection_follows_its_seed_and_needs_something_to_go_by() -> None:
    history = random_history(12)
    assert project(history) == project(history)
    assert project(random_history(5)) is None
    assert project(FrontHistory((np.zeros((0, 2)),) * 9, np.ones(2))) is None

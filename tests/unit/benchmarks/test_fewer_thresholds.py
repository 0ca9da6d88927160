"""What fewer thresholds would cost the front."""

import pytest

from benchmarks.fewer_thresholds import TABLES, Loss, Trial, line, loss, sweeps
from benchmarks.search import table
from benchmarks.search.problem import point


def trial(*points: tuple[float, float, float], plain: bool = False) -> Trial:
    """Of (threshold, score, density) each."""
    return Trial(tuple(point(t, score, density, 100) for t, score, density in points), plain)


def test_a_point_that_only_a_measurement_left_out_would_show_is_missing() -> None:
    best = trial((0.0, 0.9, 0.9), (0.2, 0.85, 0.4), (0.5, 0.8, 0.2), plain=True)
    # Behind at both thresholds that every trial is measured at, ahead between them.
    between = trial((0.0, 0.89, 0.95), (0.2, 0.89, 0.3), (0.5, 0.7, 0.25))
    lost = loss((best, between), 0.5)
    assert lost.front == pytest.approx(1 / 3)
    assert lost.density == pytest.approx(0.9 / 0.3)
    assert lost.passes == pytest.approx(5 / 6)


def test_nothing_is_missing_where_every_trial_is_a_candidate() -> None:
    first = trial((0.0, 0.9, 0.9), (0.2, 0.85, 0.4), (0.5, 0.8, 0.2), plain=True)
    other = trial((0.0, 0.95, 0.95), (0.2, 0.9, 0.3), (0.5, 0.85, 0.25))
    assert loss((first, other), 0.5) == Loss(front=0.0, density=1.0, passes=1.0)


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_give_a_line(name: str) -> None:
    problem = table.load(name, None)
    losses = [
        loss(some, problem.spec.evaluation.objective_threshold) for some in sweeps(problem, 5)
    ]
    assert all(0.0 <= one.front < 1.0 and one.density >= 1.0 for one in losses)
    assert line(name, losses).startswith(f"{name}: ")

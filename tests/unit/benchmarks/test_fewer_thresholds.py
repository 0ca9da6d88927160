"""What fewer thresholds would cost the front."""

import pytest

from benchmarks.fewer_thresholds import Reduction, Trial, line, reduction, sweeps
from benchmarks.search import table
from benchmarks.search.problem import point


def trial(*points: tuple[float, float, float], plain: bool = False) -> Trial:
    """Of (threshold, score, density) each."""
    return Trial(tuple(point(t, score, density, 100) for t, score, density in points), plain)


def test_a_point_that_only_a_measurement_left_out_would_show_is_missing() -> None:
    best = trial((0.0, 0.9, 0.9), (0.2, 0.85, 0.4), (0.5, 0.8, 0.2), plain=True)
    # Behind at both thresholds that every trial is measured at, ahead between them.
    between = trial((0.0, 0.89, 0.95), (0.2, 0.89, 0.3), (0.5, 0.7, 0.25))
    reduced = reduction((best, between), 0.5)
    assert reduced.missing_share == pytest.approx(1 / 3)
    assert reduced.density_ratio == pytest.approx(0.9 / 0.3)
    assert reduced.measured_share == pytest.approx(5 / 6)


def test_nothing_is_missing_where_every_trial_is_a_candidate() -> None:
    first = trial((0.0, 0.9, 0.9), (0.2, 0.85, 0.4), (0.5, 0.8, 0.2), plain=True)
    other = trial((0.0, 0.95, 0.95), (0.2, 0.9, 0.3), (0.5, 0.85, 0.25))
    assert reduction((first, other), 0.5) == Reduction(
        missing_share=0.0, density_ratio=1.0, measured_share=1.0
    )


@pytest.mark.parametrize("name", table.NAMES)
def test_the_tables_give_a_line(name: str) -> None:
    problem = table.load(name, None)
    threshold = problem.spec.evaluation.objective_threshold
    reductions = [reduction(sweep, threshold) for sweep in sweeps(problem, 5)]
    assert all(0.0 <= each.missing_share < 1.0 and each.density_ratio >= 1.0 for each in reductions)
    assert line(name, reductions).startswith(f"{name}: ")

"""What is measured on the test split, and when it was measured before."""

from dataclasses import replace

import pytest

from deft_sweeps.findings import choose
from deft_sweeps.findings.choice import Choice
from deft_sweeps.objective import parse_policy
from deft_sweeps.result import CompleteTrial, FinalMeasurement, Point
from deft_sweeps.sweep.final import already_measured, final_jobs
from deft_sweeps.trial.final_job import FinalJob
from tests.samples import point, result

BY_BLOCK = replace(
    point(0.25, score=0.79, density=0.1), percentile=0.9, block_thresholds=(0.1, 0.2, 0.3, 0.4)
)
RESULTS = (result(point(0.0, 0.8, 0.5)), result(point(0.0, 0.79, 0.4), BY_BLOCK, weight=1.0))


def chosen(results: tuple[CompleteTrial, ...]) -> Choice:
    return choose(
        results, ("score", "activation_density"), policy=parse_policy("best activation_density")
    )


def jobs(results: tuple[CompleteTrial, ...]) -> tuple[FinalJob, ...]:
    return final_jobs(chosen(results), results)


def measured(job: FinalJob, at: Point) -> FinalMeasurement:
    cost, provenance = RESULTS[0].cost, RESULTS[0].provenance
    assert cost is not None
    assert provenance is not None
    return FinalMeasurement(
        role=job.role,
        trial_id=job.config.trial_id(job.seed),
        point=at,
        cost=cost,
        provenance=provenance,
    )


def test_a_percentile_is_measured_with_its_own_thresholds_and_the_twin_in_the_same_way() -> None:
    first, baseline, twin = jobs(RESULTS)
    assert (first.threshold, first.percentile, first.block_thresholds) == (
        0.25,
        0.9,
        (0.1, 0.2, 0.3, 0.4),
    )
    assert (baseline.threshold, baseline.percentile, baseline.density) == (0.0, None, None)
    assert (twin.threshold, twin.percentile, twin.block_thresholds) == (None, 0.9, ())
    assert twin.density == pytest.approx(0.1)
    assert twin.measured == ()


def test_one_threshold_for_all_blocks_stays_one() -> None:
    first, _, twin = jobs(
        (RESULTS[0], result(point(0.0, 0.79, 0.4), point(0.5, 0.7, 0.2), weight=1.0))
    )
    assert (first.threshold, first.percentile) == (0.5, None)
    assert (twin.threshold, twin.percentile) == (None, None)
    assert twin.measured == ((0.0, 0.5),)


def test_another_kind_of_threshold_is_another_measurement() -> None:
    requested = jobs(RESULTS)
    first, baseline, twin = requested
    done = [
        measured(first, BY_BLOCK),
        measured(baseline, point(0.0)),
        measured(twin, replace(BY_BLOCK, percentile=0.83)),
    ]
    assert already_measured(requested, done)
    assert not already_measured(requested, [measured(first, point(0.25)), *done[1:]])
    assert not already_measured(requested, [*done[:2], measured(twin, point(0.25))])
    assert not already_measured(requested, done[:2])

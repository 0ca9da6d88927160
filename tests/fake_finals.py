"""Measurements on the test split in closed form."""

from collections.abc import Iterator, Sequence
from typing import Any

from deft_sweeps.result import FinalMeasurement
from deft_sweeps.trial.final_job import FinalJob
from tests.fakes import fake_point, fake_result


def measured(jobs: Sequence[FinalJob], *_: Any, **__: Any) -> Iterator[FinalMeasurement]:
    for job in jobs:
        result = fake_result(job.config, job.seed)
        assert result.cost is not None
        assert result.provenance is not None
        point = fake_point(job.config, job.seed, job.threshold or 0.0)
        yield FinalMeasurement(
            role=job.role,
            trial_id=result.trial_id,
            point=point,
            cost=result.cost,
            provenance=result.provenance,
        )

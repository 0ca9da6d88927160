"""Processes in which trained trials are measured."""

from collections.abc import Callable

import pytest
import ray
from ray.exceptions import RayTaskError

from deft_sweeps.config.trial import Evaluation
from deft_sweeps.sweep import measurement_process
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.samples import point, result


def test_a_measurement_that_fails_is_named_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = result(point(0.0, 0.8, 0.9), finished_at=1)
    job = FinalJob("twin", plain.config, plain.seed)

    def lost(_: object) -> None:
        raise RayTaskError("measure_final", "traceback", ValueError("of another configuration"))

    monkeypatch.setattr(ray, "get", lost)
    assert str(measurement_process._result_of(job, None)) == (
        f"twin ({plain.trial_id}) is not measured on the test split: ValueError: of another"
        " configuration"
    )


def test_a_later_job_of_a_group_that_fails_costs_the_others_nothing() -> None:
    plain = result(point(0.0, 0.8, 0.9), finished_at=1)
    jobs = [FinalJob(role, plain.config, plain.seed) for role in ("chosen", "baseline", "twin")]

    def opened(_: object) -> Callable[[FinalJob], str]:
        def measure(job: FinalJob) -> str:
            if job.role == "baseline":
                raise ValueError("of another configuration")
            return job.role

        return measure

    maker = TorchTrialStarterFactory(Evaluation())
    first, second, third = measurement_process._measured_each(opened, jobs, maker)
    assert (first, third) == ("chosen", "twin")
    assert isinstance(second, measurement_process.Unmeasured)
    assert second.reason == "ValueError: of another configuration"

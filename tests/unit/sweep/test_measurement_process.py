"""Processes in which trained trials are measured."""

import pytest
import ray
from ray.exceptions import RayTaskError

from deft_sweeps.sweep import measurement_process
from deft_sweeps.trial.final_job import FinalJob
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

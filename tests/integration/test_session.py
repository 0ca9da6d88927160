"""Whole sessions, search to test split, on a real Ray with trials in closed form."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.errors import StoreError
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.store.results import SweepDir
from deft_sweeps.sweep import session
from deft_sweeps.sweep.runner import Outcome
from tests.fakes import FakeMaker, fake_spec
from tests.integration.test_parts import measured


@pytest.mark.usefixtures("one_ray")
def test_a_second_driver_is_refused_while_the_test_split_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, sweep = fake_spec(4), SweepDir(tmp_path / "sweep")
    refused: list[BaseException | None] = []

    def start(**how: Any) -> Outcome:
        return session.run(spec, sweep, view=lambda _: None, say=lambda _: None, **how)

    def measured_with_company(*arguments: Any, **named: Any) -> Iterator[FinalMeasurement]:
        for measurement in measured(*arguments, **named):
            yield measurement
            with ThreadPoolExecutor(1) as other:  # As far from this driver as another process: it holds none of its locks.
                refused.append(other.submit(start, resume=True).exception())
            assert measurement.role in [final.role for final in sweep.finals()]

    monkeypatch.setattr(session, "BenchMaker", lambda *_, **__: FakeMaker(tmp_path))
    monkeypatch.setattr("deft_sweeps.sweep.final.measure", measured_with_company)
    outcome = start()
    assert not outcome.interrupted
    assert refused
    for error in refused:
        assert isinstance(error, StoreError)
        assert "in use by another driver" in str(error)
    with sweep.lock():
        pass

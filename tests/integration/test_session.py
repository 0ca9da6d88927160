"""Whole sessions, search to test split, on a real Ray with trials in closed form."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.cli.guard import INTERRUPTED
from deft_sweeps.errors import StoreError
from deft_sweeps.result import FinalMeasurement
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import session
from deft_sweeps.sweep.front_seeds import missing_seeds
from deft_sweeps.sweep.runner import Outcome
from tests.fake_finals import measured
from tests.fakes import FakeMaker, fake_spec
from tests.integration import drive_session
from tests.running import counts_are_equal, wait_for


@pytest.mark.sweeps
@pytest.mark.usefixtures("one_ray")
def test_a_second_driver_is_refused_while_the_test_split_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, sweep = fake_spec(4), SweepDir(tmp_path / "sweep")
    refused: list[BaseException | None] = []

    def start(**how: Any) -> Outcome:
        return session.run(spec, sweep, view=lambda _: None, say=lambda _: None, **how)

    def measured_with_company(*arguments: Any, **named: Any) -> Iterator[FinalMeasurement]:
        for measurement in measured(*arguments, **named):
            yield measurement
            # As far from this driver as another process: it holds none of its locks.
            with ThreadPoolExecutor(1) as other:
                refused.append(other.submit(start, resume=True).exception())
            assert measurement.role in [final.role for final in sweep.finals()]

    monkeypatch.setattr(session, "TorchTrialStarterFactory", lambda *_, **__: FakeMaker(tmp_path))
    monkeypatch.setattr("deft_sweeps.sweep.final.measure", measured_with_company)
    outcome = start()
    assert not outcome.interrupted
    assert refused
    for error in refused:
        assert isinstance(error, StoreError)
        assert "in use by another driver" in str(error)
    with sweep.lock():
        pass


@pytest.mark.slow
@pytest.mark.usefixtures("own_ray")
def test_a_session_killed_in_each_of_its_later_phases_goes_on_and_does_nothing_twice(
    tmp_path: Path,
) -> None:
    """`kill -9` while seeds of the front run, while the twin runs, and between two measurements on
    the test split; then SIGTERM there, which is an interruption.
    """
    spec, sweep = drive_session.spec(), SweepDir(tmp_path / "sweep")
    fakes, output = FakeMaker(tmp_path), ""
    kill, terminate = signal.SIGKILL, signal.SIGTERM
    moments = (("seeds", kill), ("twin", kill), ("finals", kill), ("finals", terminate), ("", 0))
    for phase, number in moments:
        n_before = reached(tmp_path).count(phase)
        command = [sys.executable, "-m", "tests.integration.drive_session", str(sweep.root), phase]
        driver = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if phase:
            # It is called here.
            wait_for(lambda: reached(tmp_path).count(phase) > n_before, driver)  # noqa: B023
            note = sweep.note()
            assert note is not None
            assert note.ended is not None, "whatever runs now, the search has ended"
            os.kill(driver.pid, number)
        output, _ = driver.communicate(timeout=600)
        if number == terminate:
            assert driver.returncode == INTERRUPTED, output
    assert driver.returncode == 0, output
    results = sweep.results()
    assert {result.status for result in results} == {"complete"}
    assert not missing_seeds(spec, results)
    assert sweep.finals()[0].role == "chosen"
    assert "twin" in [final.role for final in sweep.finals()]
    assert sweep.report_path.exists()
    ran = Counter(trial_id for trial_id, _ in fakes.notes("finish"))
    assert dict(ran) == {result.trial_id: 1 for result in results}
    counts_are_equal(spec, sweep)


def reached(folder: Path) -> list[str]:
    path = folder / "phases"
    return path.read_text().split() if path.exists() else []

"""Faults of a real MLflow server: no result is lost, no run is doubled, and in the end the store,
the study's mirror and MLflow agree.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import follower
from deft_sweeps.sweep.session import publish
from tests.cli_call import call
from tests.late_relay import Delay, LateRelay
from tests.searched_folder import mirror_all, note, search
from tests.servers.played_drive import PlayedDrive, disagreements, runs_at, wait_for, yaml_of
from tests.servers.postgresql import PostgreSQL
from tests.servers.tracking_server import TrackingServer

pytestmark = pytest.mark.servers
N_TRIALS = 6


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again after a second, and waits three for an answer."""
    monkeypatch.setattr(follower, "RETRY_SEC", 1.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def drive(tmp_path: Path, name: str, uri: str) -> PlayedDrive:
    return PlayedDrive(tmp_path, yaml_of(name, uri), N_TRIALS)


def assert_whole(driven: PlayedDrive, uri: str) -> None:
    """Each result has one run, with its status, and all three places agree."""
    assert len(driven.sweep.results()) == N_TRIALS
    parents, children = runs_at(uri, driven.spec.name)
    assert [parent.info.status for parent in parents] == ["FINISHED"]
    assert sorted(child.data.tags["trial_id"] for child in children) == sorted(
        driven.sweep.trial_ids()
    )
    assert {child.info.status for child in children} == {"FINISHED"}
    assert disagreements(driven.sweep) == []


def test_down_at_the_start_is_a_warning_and_is_caught_up_with(
    tracker: TrackingServer, tmp_path: Path
) -> None:
    tracker.kill()
    driven = drive(tmp_path, "down-at-start", tracker.uri)
    wait_for("the sweep goes on, and the mirror catches up later", driven.troubles)
    driven.store(N_TRIALS // 2)
    tracker.start()
    driven.store(N_TRIALS // 2)
    assert driven.close()
    assert_whole(driven, tracker.uri)


def test_down_in_the_middle_and_back(tracker: TrackingServer, tmp_path: Path) -> None:
    driven = drive(tmp_path, "down-in-the-middle", tracker.uri)
    driven.store(2)
    wait_until_mirrored(driven, tracker, 1)
    tracker.kill()  # It may be writing the second one.
    driven.store(2)
    wait_for("MLflow at", driven.troubles)
    tracker.start()
    driven.store(N_TRIALS - 4)
    assert driven.close()
    assert_whole(driven, tracker.uri)


def test_restarted_while_results_come(tracker: TrackingServer, tmp_path: Path) -> None:
    driven = drive(tmp_path, "restarted", tracker.uri)
    driven.store(2)
    tracker.kill(signal.SIGTERM)
    tracker.start()
    driven.store(N_TRIALS - 2)
    assert driven.close()
    assert_whole(driven, tracker.uri)


def test_a_server_that_takes_requests_and_never_answers_holds_nothing_up(
    tracker: TrackingServer, tmp_path: Path
) -> None:
    driven = drive(tmp_path, "hanging", tracker.uri)
    driven.store(2)
    wait_until_mirrored(driven, tracker, 1)
    tracker.send(signal.SIGSTOP)
    try:
        driven.store(N_TRIALS - 2)  # Would never return if the driver waited.
        wait_for("MLflow at", driven.troubles)
        (warning, *_) = publish(driven.spec, driven.sweep, limit_sec=2.0)
        assert "gave no complete answer within 2 s" in warning
        assert driven.sweep.report_path.exists()
    finally:
        tracker.send(signal.SIGCONT)
    for thread in threading.enumerate():
        if thread.name == "within":  # Publishing, which may go on now.
            thread.join(120)
    assert driven.close()
    assert_whole(driven, tracker.uri)


def test_its_database_down_in_the_middle_and_back(
    tracker: TrackingServer, database: PostgreSQL, tmp_path: Path
) -> None:
    """The server answers, with errors."""
    driven = drive(tmp_path, "database-down", tracker.uri)
    driven.store(2)
    wait_until_mirrored(driven, tracker, 1)
    database.stop()
    try:
        driven.store(2)
        wait_for("MLflow at", driven.troubles)
    finally:
        database.start()
    driven.store(N_TRIALS - 4)
    assert driven.close()
    assert_whole(driven, tracker.uri)


def test_a_slow_server_gets_each_run_once(tracker: TrackingServer, tmp_path: Path) -> None:
    """Every answer comes late, each fifth one after the client has stopped waiting. If the last
    one is among these, MLflow is behind until doctor, or the next driver, finds it quick again.
    """
    with SlowRelay(tracker.uri) as slow:
        driven = drive(tmp_path, "slow", slow.uri)
        driven.store(N_TRIALS)
        is_level = driven.close()
        slow.late_sec = slow.too_late_sec = 0.0
        assert call("doctor", driven.sweep.root, "--fix").exit_code == 0
        assert is_level or driven.troubles
        assert slow.n_requests > 5 * N_TRIALS / 2
        assert_whole(driven, tracker.uri)


def test_a_lost_driver_leaves_a_running_sweep_which_doctor_or_resume_ends(
    tracker: TrackingServer, tmp_path: Path
) -> None:
    sweep, spec = search(tmp_path / "sweep", 3, yaml_of("lost-driver", tracker.uri))
    sweep.write_note(note("searching", 3))
    script = (
        "import sys, time; from pathlib import Path; from deft_sweeps.sweep.follower import"
        " Follower; from deft_sweeps.store.sweep_dir import SweepDir; from"
        " deft_sweeps.store.stored_spec import stored_spec; sweep = SweepDir(Path(sys.argv[1]));"
        " Follower(sweep, stored_spec(sweep), print); time.sleep(600)"
    )
    driver = subprocess.Popen([sys.executable, "-c", script, str(sweep.root)])
    wait_until_runs(tracker.uri, "lost-driver", 3)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    done = call("doctor", sweep.root)
    assert "tracker: problem: MLflow calls the sweep RUNNING" in done.stdout
    assert "--fix ends it as KILLED" in done.stdout
    assert "driver: problem: driver.json says that process" in done.stdout
    assert call("doctor", sweep.root, "--fix").exit_code == 0
    ((parent,), _) = runs_at(tracker.uri, "lost-driver")
    assert parent.info.status == "KILLED"
    resumed = follower.Follower(sweep, spec, pytest.fail)
    assert resumed.close(patience_sec=120.0)
    ((parent,), children) = runs_at(tracker.uri, "lost-driver")
    assert (parent.info.status, len(children)) == ("FINISHED", 3)


def test_a_process_killed_in_the_first_migrations_of_its_database_is_mended(
    tmp_path: Path,
) -> None:
    """The mirrors' process makes `mlflow.db` by many migrations. It is killed in the first ones
    and in later ones; the next one makes the database whole, and says so.
    """
    sweep, spec = search(tmp_path / "sweep", 3)
    for share in (0.1, 0.5):
        while not killed_while_migrating(sweep, spec, share):
            sweep.mlflow_path.unlink()  # This test was too late: the database is whole.
        assert not sweep.mlflow_path.exists(), "whole or not at all"
    troubles: list[str] = []
    process = follower.Follower(sweep, spec, troubles.append)
    assert process.close(patience_sec=120.0)
    n_said = sum("was cut short before: it is made anew" in trouble for trouble in troubles)
    assert n_said == 1, troubles
    assert [path.name for path in sweep.root.glob(".mlflow.db.*")] == [".mlflow.db.lock"]
    sweep.write_note(note("finished", 3))
    mirror_all(sweep, spec)
    assert disagreements(sweep) == []
    assert stored_spec(sweep) == spec


def killed_while_migrating(sweep: SweepDir, spec: SweepSpec, share: float) -> bool:
    """Kills a process that makes the database; returns whether that was before it was whole."""
    process = follower.Follower(sweep, spec, lambda _: None)
    wait_until_migrating(sweep, share)
    os.kill(process.pid, signal.SIGKILL)
    process._process.wait()
    return bool(list(sweep.root.glob(".mlflow.db.*.*")))


def wait_until_mirrored(driven: PlayedDrive, tracker: TrackingServer, n: int) -> None:
    wait_until_runs(tracker.uri, driven.spec.name, n)


def wait_until_runs(uri: str, name: str, n: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(Exception):  # The experiment may not be there yet.
            if sum(run.info.status != "RUNNING" for run in runs_at(uri, name)[1]) >= n:
                return
        time.sleep(0.2)
    pytest.fail(f"{name} has not {n} runs")


def wait_until_migrating(sweep: SweepDir, share: float) -> None:
    """Until so much of the database's final size, of about a megabyte, is written."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if sweep.mlflow_path.exists():
            return
        files = [path for path in sweep.root.glob(".mlflow.db.*") if path.suffix != ".lock"]
        with suppress(OSError):
            if files and max(path.stat().st_size for path in files) >= share * 1_000_000:
                return
        time.sleep(0.005)
    pytest.fail("no database is being made")


class SlowRelay(LateRelay):
    """Passes requests on to a server; answers late, and each fifth one far too late."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.n_requests = 0
        self.late_sec, self.too_late_sec = 0.1, 4.0

    def delay(self, path: str) -> Delay:
        self.n_requests += 1
        return Delay(after=self.late_sec if self.n_requests % 5 else self.too_late_sec)

"""What a session publishes once everything is measured: the report, and marks in the mirrors."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import optuna
import pytest

from deft_sweeps.errors import StoreError
from deft_sweeps.findings import Findings
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.study_mirror import CHOSEN, ON_FRONT
from deft_sweeps.sweep.session import publish
from deft_sweeps.sweep.time_limit import run_within
from tests.fakes import fake_spec
from tests.played_search import play

SPEC = fake_spec(8)


def finished_sweep(folder: Path) -> SweepDir:
    sweep = SweepDir(folder)
    play(StudySearcher(SPEC, sweep, target=8), 8)
    sweep.write_spec(b"name: fake\n")
    return sweep


def test_the_front_and_the_choice_are_marked_in_the_study(tmp_path: Path) -> None:
    sweep = finished_sweep(tmp_path)
    assert publish(SPEC, sweep) == ()
    findings = Findings.read(SPEC, sweep)
    front = {member.result.trial_id for member in findings.front.members}
    trials = optuna.load_study(study_name="fake", storage=sweep.study_url).trials
    marked = {mark: set[str]() for mark in (ON_FRONT, CHOSEN)}
    for trial in trials:
        for mark, trial_ids in marked.items():
            if trial.user_attrs[mark]:
                trial_ids.add(trial.user_attrs["trial_id"])
    assert findings.choice.member is not None
    assert len(trials) == 8
    assert marked == {ON_FRONT: front, CHOSEN: {findings.choice.member.result.trial_id}}


def test_a_study_that_cannot_be_written_costs_a_warning_and_no_report(tmp_path: Path) -> None:
    sweep = finished_sweep(tmp_path)
    sweep.study_path.mkdir()
    (warning,) = publish(SPEC, sweep)
    assert warning.startswith("the front and the choice are not marked: ")
    assert "study.db cannot be opened: " in warning
    assert sweep.report_path.exists()


class _ByteByByte(BaseHTTPRequestHandler):
    """Answers, but never comes to an end: no timeout of a single read is of any use."""

    def do_GET(self) -> None:
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while True:
                self.wfile.write(b" ")
                time.sleep(0.05)

    do_POST = do_GET  # noqa: N815 (http.server's name)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def trickling() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _ByteByByte) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://ann:hunter2@127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_tracker_that_answers_a_byte_at_a_time_is_waited_for_no_longer_than_the_limit(
    tmp_path: Path, trickling: str
) -> None:
    sweep, spec = finished_sweep(tmp_path), replace(SPEC, tracking_uri=trickling)
    began = time.monotonic()
    (warning,) = publish(spec, sweep, limit_sec=3.0)
    assert time.monotonic() - began < 30
    assert warning.startswith("the tracker has no report: MLflow at http://***@127.0.0.1")
    assert warning.endswith("gave no complete answer within 3 s")
    assert sweep.report_path.exists()


def test_what_is_in_time_is_done_and_its_error_is_raised() -> None:
    done: list[int] = []
    run_within(30.0, "nobody", lambda: done.append(1))
    assert done == [1]

    def fail() -> None:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        run_within(30.0, "nobody", fail)

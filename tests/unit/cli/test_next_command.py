"""Each command that looks at something ends with the command that comes next."""

import json
import shlex
import time
from pathlib import Path

import pytest

from deft_sweeps.cli.results import QUIET_SEC
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from tests.cli_call import call
from tests.samples import point, result
from tests.tables import ROWS, write

QUICKSTART = Path(__file__).parents[3] / "search_spaces" / "quickstart.yaml"


def last(stderr: str) -> str:
    return stderr.splitlines()[-1]


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    folder = SweepDir(tmp_path / "a sweep")
    folder.root.mkdir()
    folder.spec_path.write_bytes(QUICKSTART.read_bytes())
    folder.write(result(point(0.0, 0.80, 0.6), point(0.01, 0.80, 0.5)))
    return folder


@pytest.mark.parametrize(
    ("state", "silent_sec", "expected"),
    [
        (None, 0.0, "run {} --resume"),
        ("searching", 0.0, "report {}"),
        ("searching", 2 * QUIET_SEC, "run {} --resume"),
        ("interrupted", 0.0, "run {} --resume"),
        ("cluster lost", 0.0, "run {} --resume"),
        ("failed", 0.0, "report {}"),
        ("finished", 2 * QUIET_SEC, "report {}"),
    ],
)
def test_after_status(state: str | None, silent_sec: float, expected: str, sweep: SweepDir) -> None:
    if state is not None:
        beat = time.time() - silent_sec
        sweep.write_note(DriverNote(1, beat, beat, 12, (), state, None))
    said = last(call("status", sweep.root).stderr)
    assert said == f"next: deft-sweeps {expected.format(shlex.quote(str(sweep.root)))}"


def test_after_report(sweep: SweepDir) -> None:
    for options in ([], ["--front-only"]):
        done = call("report", sweep.root, *options)
        assert last(done.stderr) == f"next: deft-sweeps choose '{sweep.root}'"


@pytest.mark.parametrize(("label", "command"), [("verdict", "run"), ("vredict", "validate")])
def test_after_plan(label: str, command: str, tmp_path: Path) -> None:
    write(tmp_path / "reviews.csv", ROWS)
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f"name: x\ntask: {{kind: files, path: reviews.csv, text: review, label: {label},"
        " splits: {validation: 6, test: 6}}\nspace: {density: [none]}\nbudget: {trials: 1}\n"
    )
    done = call("plan", spec)
    assert last(done.stderr) == f"next: deft-sweeps {command} {spec}"


def test_json_is_for_programs_which_are_not_advised(sweep: SweepDir, tmp_path: Path) -> None:
    for command in ("status", "report"):
        done = call(command, sweep.root, "--json")
        assert "next:" not in done.output
        json.loads(done.stdout)
    assert "next:" not in call("plan", QUICKSTART, "--json").output

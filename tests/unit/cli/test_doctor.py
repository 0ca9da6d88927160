"""doctor on this machine; tests/hosts has a cluster."""

import json
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.sweep import node_check
from tests.cli_call import call

pytestmark = pytest.mark.usefixtures("one_ray")
SPEC = """
name: small
space: {density: [none, loss]}
budget: {trials: 2}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SPEC)
    return path


def test_a_sound_machine_is_one_line_and_a_sum(spec: Path) -> None:
    done = call("doctor", spec)
    assert done.exit_code == 0, done.output
    machine, total = done.stdout.splitlines()
    assert ": ok, " in machine
    assert "2 CPU" in machine
    assert total.startswith("1 of 1 node sound")
    assert "of memory" in total, "a trial's memory is projected from the spec"
    assert sorted(path.name for path in spec.parent.iterdir()) == ["small.yaml"]


def test_json_holds_what_the_lines_say(spec: Path) -> None:
    done = call("doctor", spec, "--out", spec.parent / "not" / "made", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["is_sound"]
    assert report["folder"] == str(spec.parent)
    (node,) = report["nodes"]
    assert node["problems"] == []
    assert node["versions"]["ray"]
    assert node["n_slots"] == report["n_slots"] >= 1


def test_a_trial_that_fits_nowhere_is_bad_input(spec: Path) -> None:
    spec.write_text(SPEC.replace("trials: 2", "trials: 2, cpus_per_trial: 64"))
    done = call("doctor", spec)
    assert done.exit_code == BAD_INPUT
    assert "this machine: no trial fits: one needs 64 CPU" in done.stderr
    assert "lower budget.cpus_per_trial" in done.stderr


def test_a_failed_check_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_check, "CLOCK_SEC", -1.0)
    done = call("doctor")
    assert done.exit_code == BAD_INPUT
    assert "no trials: its clock is" in done.stdout
    assert "0 of 1 node sound, 0 trials at a time" in done.stdout


def test_a_spec_that_is_wrong_starts_nothing(spec: Path) -> None:
    spec.write_text("name: small\nspace: {density: [none, los]}\n")
    done = call("doctor", spec)
    assert done.exit_code == BAD_INPUT
    assert "small.yaml:2" in done.stderr


def test_a_sweeps_folder_has_no_other_one(tmp_path: Path) -> None:
    done = call("doctor", tmp_path, "--out", tmp_path)
    assert done.exit_code == BAD_INPUT
    assert "leave --out away" in done.stderr

"""Paths in a spec start from its folder, for `validate`, `plan` and `run`, wherever they start."""

from pathlib import Path

import pytest

from deft_sweeps.cli.sweeps import _prepare
from deft_sweeps.config.data import FileTask
from deft_sweeps.specification.spec_reader import load_spec
from deft_sweeps.store.spec_origin import write_origin
from deft_sweeps.store.sweep_dir import SweepDir
from tests.cli_call import call
from tests.tables import ROWS, write

SPEC = """name: paths
task:
  kind: files
  path: reviews.csv
  text: review
  label: verdict
  splits: {validation: 5, test: 5}
space: {}
budget: {trials: 2}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("project", "elsewhere"):
        (tmp_path / name).mkdir()
    file = tmp_path / "project" / "sweep.yaml"
    file.write_text(SPEC)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return file


def test_data_beside_the_spec_are_read_from_anywhere(spec: Path) -> None:
    write(spec.parent / "reviews.csv", ROWS)
    done = call("validate", spec)
    assert (done.exit_code, done.stderr) == (0, "")
    assert load_spec(spec).folder == str(spec.parent)
    assert "paths: 2 trials" in call("plan", spec).stdout


def test_what_only_the_working_directory_has_is_refused_with_the_right_path(spec: Path) -> None:
    write(Path("reviews.csv"), ROWS)
    problem = (
        f"{spec}:4:9: no reviews.csv in {spec.parent}: paths start from the spec's folder, and only"
        f" the working directory has it (write ../elsewhere/reviews.csv, or"
        f" {Path('reviews.csv').absolute()})\n"
    )
    for command in ("validate", "run"):
        done = call(command, spec)
        assert (done.exit_code, done.stderr) == (2, problem)
    assert not Path("runs").exists()
    spec.write_text(SPEC.replace("reviews.csv", "../elsewhere/reviews.csv"))
    assert call("validate", spec).exit_code == 0


def test_of_two_files_of_one_name_the_one_that_is_not_read_is_told(spec: Path) -> None:
    write(spec.parent / "reviews.csv", ROWS)
    write(Path("reviews.csv"), ROWS)
    done = call("validate", spec)
    assert done.exit_code == 0
    assert done.stderr == (
        f"note: {spec}: path: reviews.csv is {spec.parent / 'reviews.csv'}, since paths start from"
        " the spec's folder; the one in the working directory is not read\n"
    )


def test_a_folder_of_a_model_and_an_earlier_sweep(spec: Path) -> None:
    write(spec.parent / "reviews.csv", ROWS)
    Path("models/mine").mkdir(parents=True)
    Path("runs/old").mkdir(parents=True)
    spec.write_text(SPEC + "model: models/mine\nsearch: {warm_start: [runs/old]}\n")
    stderr = call("validate", spec).stderr
    assert f"{spec}:10:8: no models/mine in {spec.parent}" in stderr
    assert f"search.warm_start: no runs/old in {spec.parent}" in stderr
    assert "(write ../elsewhere/runs/old, or " in stderr


def test_a_sweep_finds_its_data_from_another_working_directory(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(spec.parent / "reviews.csv", ROWS)
    sweep = SweepDir(tmp_path / "elsewhere" / "runs" / "paths")
    sweep.write_spec(spec.read_bytes())
    write_origin(sweep, load_spec(spec).folder)
    monkeypatch.chdir(tmp_path)
    part, _ = _prepare(sweep.root, None, resume=True, more=0)
    assert part.spec.folder == str(spec.parent)
    config = part.spec.combinations[0].template
    assert isinstance(config.task, FileTask)
    assert config.task.path == "reviews.csv"
    assert config == load_spec(spec).combinations[0].template
    assert call("validate", sweep.spec_path).exit_code == 0


def test_each_problem_with_the_data_is_at_its_setting(spec: Path) -> None:
    write(spec.parent / "reviews.csv", ROWS)
    text = SPEC.replace("text: review", "text: revew").replace("label: verdict", "group: verdit")
    spec.write_text(
        f"{text}---\n{SPEC.replace('name: paths', 'name: other')}".replace(
            "text: review\n  label", "test_path: none.csv\n  text: review\n  label"
        )
    )
    data, present = spec.parent / "reviews.csv", "id, review, stars, verdict"
    *columns, missing = call("validate", spec).stderr.splitlines()
    assert f"no column label; there are {present}" in columns.pop(1)
    assert columns == [
        f"{spec}:5:9: {data}: no column revew; there are {present} (did you mean review?)",
        f"{spec}:6:10: {data}: no column verdit; there are {present} (did you mean verdict?, or"
        " leave group out)",
    ]
    assert missing.startswith(f"{spec}:15:14: {spec.parent / 'none.csv'}: no such file")

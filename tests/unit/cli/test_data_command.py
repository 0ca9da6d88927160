"""`data`: a look at a spec's examples, and where it goes from there."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.cli.guard import INTERRUPTED
from deft_sweeps.config.data import Form, Task
from deft_sweeps.report.html import render
from deft_sweeps.result.data_profile import DataProfile, SplitProfile
from deft_sweeps.store.data_record import DataRecord
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.tasks.check import Examination, examine
from tests.cli_call import call
from tests.made_sweep import sweep_results, sweep_spec
from tests.tables import write

SPEC = """
name: look
task: {kind: files, path: reviews.csv, text: review, label: verdict,
  splits: {validation: 8, test: 8}}
space: {density: [none, loss]}
budget: {trials: 2}
"""
PROFILE = DataProfile(
    kind="classification",
    splits={
        "train": SplitProfile(n_rows=10, class_counts={"<b>good</b>": 9, "bad": 1}),
        "test": SplitProfile(n_rows=5, class_counts={"bad": 5}, n_in_train=2),
    },
    majority_class="<b>good</b>",
    majority_shares={"train": 0.9, "test": 0.0},
)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    rows = [
        {"review": f"a film of kind {'i' * i}", "verdict": ("good", "bad")[i % 2]}
        for i in range(40)
    ]
    write(tmp_path / "reviews.csv", [*rows, rows[0] | {"verdict": "bad"}])
    (tmp_path / "look.yaml").write_text(SPEC)
    return tmp_path / "look.yaml"


def test_tables_for_people(spec: Path) -> None:
    done = call("data", spec)
    assert done.exit_code == 0
    for part in (
        "train",
        "majority baseline",
        "good",
        "tokens in the median",
        "1 training text has several labels",
    ):
        assert part in done.stdout, part
    assert done.stderr.splitlines()[-1] == f"next: deft-sweeps plan {spec}"


def test_json_for_programs(spec: Path) -> None:
    document = json.loads(call("data", spec, "--json").stdout)
    assert document["name"] == "look"
    assert sum(split["n_rows"] for split in document["splits"].values()) >= 39
    assert document["lengths"]["max_input_tokens"] == 128


def test_a_plan_has_a_line_of_it(spec: Path) -> None:
    assert "data: train " in call("plan", spec).stdout


def test_unusable_data_is_refused_at_its_place(spec: Path) -> None:
    spec.write_text(SPEC.replace("label: verdict", "label: vredict"))
    done = call("data", spec)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{spec}:3:")


def test_a_report_shows_the_stored_look_and_escapes_it(tmp_path: Path) -> None:
    sweep, plan = SweepDir(tmp_path / "sweep"), sweep_spec()
    for result in sweep_results():
        sweep.write(replace(result))
    assert "The data" not in render(sweep, plan)
    DataRecord(sweep.root).write(PROFILE)
    page = render(sweep, plan)
    assert "The data" in page
    assert "&lt;b&gt;good&lt;/b&gt;" in page
    assert "<b>good</b>" not in page
    assert "2 of 5 test examples are nearly in train" in page


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    record = DataRecord(tmp_path)
    record.write(PROFILE)
    assert record.profile() == PROFILE
    (tmp_path / "data.json").write_text("{")
    assert record.profile() is None


@pytest.mark.parametrize("n_sweeps", [1, 2])
def test_a_run_reads_the_data_of_each_sweep_once_and_keeps_the_look(
    n_sweeps: int, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[Task] = []

    def counted(task: Task, form: Form | None) -> Examination:
        examined.append(task)
        return examine(task, form)

    for module in ("spec_inspection", "data_command"):
        monkeypatch.setattr(f"deft_sweeps.cli.{module}.examine", counted)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deft_sweeps.cli.sweeps._session", stop)
    monkeypatch.setattr("deft_sweeps.sweep.local_ray.ray_session", lambda *_, **__: nullcontext())
    monkeypatch.chdir(spec.parent)
    names = ("look", "again")[:n_sweeps]
    spec.write_text("---".join(SPEC.replace("name: look", f"name: {name}") for name in names))
    done = call("run", spec, "--out", "out")
    assert done.exit_code == INTERRUPTED, done.stderr
    assert len(examined) == n_sweeps
    profile = DataRecord(Path("out") if n_sweeps == 1 else Path("out", "look")).profile()
    assert profile is not None
    assert profile.lengths is not None
    assert profile.splits["train"].n_rows == 25

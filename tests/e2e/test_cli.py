"""The console script on a tiny real sweep: the packaged model and reviews, a few steps a trial,
from the spec to the report.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from typer.testing import Result

from deft_sweeps.result import CompleteTrial, FailedTrial, FinalMeasurement, complete_trials
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.unfinished_trial import unfinished_trials
from tests import cli_call

# A whole sweep, beside other tests on a small machine.
pytestmark = [pytest.mark.sweeps, pytest.mark.timeout(1500)]

SPEC = """
name: tiny
model: packaged/flan-t5-small-title
task:
  kind: packaged
  name: rotten-tomatoes
  max_input_tokens: 24
  splits: {train: 200, validation: 40, test: 60}
space:
  activation: [relu, pretrained]
  peft: [lora: {targets: [q, v, gate, down]}]
  density: [none, loss: {weight: 10, eps: 1e-3}]
  quantization: [none, nf4]
  pruning: [none, wanda: {sparsity: 0.3, n_calibration: 8}]
  training: {steps: 8, batch_size: 4, learning_rate: 5e-3}
first:
  - {activation: pretrained, density: none}
  - {activation: relu, density: {loss: {}}, quantization: nf4, pruning: wanda}
objectives: [score, activation_density]
choose: best activation_density
evaluation: {thresholds: [0, 0.01], objective_threshold: 0.01, latency_repeats: 1}
budget: {trials: 3, cpus_per_trial: 1}
"""


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("deft-sweeps")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    return subprocess.run(
        [str(script), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )


def call(*arguments: str, cwd: Path) -> Result:
    """A command that starts no Ray, in this process, which has imported all that it needs."""
    with chdir(cwd):
        return cli_call.call(*arguments)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("e2e")
    (folder / "tiny.yaml").write_text(SPEC)
    return folder, command("run", "tiny.yaml", cwd=folder)


def test_run_ends_well_and_tells_front_choice_and_report(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    assert done.returncode == 0, done.stderr
    assert "chosen by `best activation_density`" in done.stdout
    assert "runs/tiny/report.html" in done.stdout
    assert "test" in done.stdout
    progress = [
        line for line in done.stderr.splitlines() if re.search(r"\d+/\d+ trials done", line)
    ]
    assert progress
    assert (folder / "runs/tiny/spec.yaml").read_text() == SPEC


def test_every_trial_is_real_and_counted_alike_in_store_study_and_tracker(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    sweep = SweepDir(finished[0] / "runs/tiny")
    results = sweep.results()
    # Three of the budget, and the plain twin of the chosen one unless it was among them.
    assert 3 <= len(results) <= 4
    errors = [result.error for result in results if isinstance(result, FailedTrial)]
    assert all(result.status == "complete" for result in results), errors
    assert len({result.trial_id for result in results}) == len(results)
    assert all(sweep.weights_path(result.trial_id).is_file() for result in results)
    with sqlite3.connect(sweep.root / "study.db") as study:
        states = [state for (state,) in study.execute("select state from trials")]
    assert states.count("COMPLETE") == len(results) == len(states)
    with sqlite3.connect(sweep.root / "mlflow.db") as tracker:
        tagged = tracker.execute(
            "select count(distinct run_uuid) from tags where key = 'trial_id'"
        ).fetchone()
        parents = tracker.execute("select count(*) from runs").fetchone()
    assert tagged == (len(results),)
    assert parents == (len(results) + 1,)
    assert unfinished_trials(sweep) == ()


def test_doctor_says_that_all_is_well_also_after_it_has_mended_both_mirrors(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder = finished[0]
    done = command("doctor", "runs/tiny", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "all is well"
    for name in ("study.db", "mlflow.db"):
        (folder / "runs/tiny" / name).unlink()
    assert call("doctor", "runs/tiny", cwd=folder).exit_code == 2
    done = command("doctor", "runs/tiny", "--fix", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "all is well; 2 mended"
    done = command("doctor", "runs/tiny", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "all is well"


def test_quantized_and_pruned_trial_did_what_it_says(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    results = complete_trials(SweepDir(finished[0] / "runs/tiny").results())
    packed = next(
        r
        for r in results
        if r.config.quantization.kind == "nf4" and r.config.pruning.kind == "wanda"
    )
    dense = next(r for r in results if r.config.is_plain_peft)
    assert packed.cost is not None
    assert dense.cost is not None
    assert packed.cost.weight_bytes < 0.9 * dense.cost.weight_bytes
    assert packed.cost.weight_sparsity == pytest.approx(0.3, abs=0.01)
    assert packed.points[0].density.overall < 0.6 < dense.points[0].density.overall


def test_the_choice_and_its_baselines_are_measured_on_unseen_examples(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    finals: dict[str, FinalMeasurement] = {
        final.role: final for final in SweepDir(finished[0] / "runs/tiny").finals()
    }
    assert set(finals) == {"chosen", "baseline", "twin"}
    assert all(
        final.point.score.n_examples == 60 and final.cost.label == "measured"
        for final in finals.values()
    )
    assert finals["twin"].point.density.overall == pytest.approx(
        finals["chosen"].point.density.overall, rel=0.15
    )


def test_later_commands_read_the_folder_alone(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = finished
    status = json.loads(call("status", "runs/tiny", "--json", cwd=folder).stdout)
    assert status["state"] == "finished"
    chosen = call("choose", "runs/tiny", "--policy", "knee", "--json", cwd=folder)
    assert chosen.exit_code == 0, chosen.stderr
    assert json.loads(chosen.stdout)
    page = (folder / "runs/tiny/report.html").read_text()
    assert "<svg" in page
    assert not re.search(r"""(?:src|href)=["']https?://""", page)


def test_a_later_policy_is_measured_and_has_a_page_of_its_own(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = finished
    sweep, policy = SweepDir(folder / "runs/tiny"), "best score"
    own, page = sweep.finals(), sweep.report_path.read_bytes()
    named = ("runs/tiny", "--policy", policy)
    first = call("choose", *named, cwd=folder)
    assert "choose runs/tiny --policy 'best score' --measure" in first.stderr
    measured = command("choose", *named, "--measure", cwd=folder)
    assert measured.returncode == 0, measured.stderr
    assert "measuring on the test split, each alone: chosen" in measured.stderr
    assert "Not measured on the test split" not in measured.stdout
    finals = sweep.final_record(policy).measurements()
    assert finals[0].role == "chosen"
    assert all(final.point.score.n_examples == 60 for final in finals)
    again = call("choose", *named, "--measure", cwd=folder)
    assert "nothing is left to measure" in again.stderr
    reported = call("report", *named, cwd=folder)
    assert reported.exit_code == 0, reported.stderr
    assert policy in sweep.page_path(policy).read_text()
    assert sweep.finals() == own
    assert sweep.report_path.read_bytes() == page


def test_a_finished_sweep_is_not_run_again(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = finished
    refused = call("run", "tiny.yaml", cwd=folder)
    assert refused.exit_code == 2
    assert "--more" in refused.stderr
    assert "--resume" in refused.stderr


@pytest.mark.slow
def test_more_adds_to_a_finished_sweep(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = finished
    sweep = SweepDir(folder / "runs/tiny")
    before = {
        result.trial_id: sweep.result_path(result.trial_id).read_bytes()
        for result in sweep.results()
    }
    more = command("run", "runs/tiny", "--more", "1", cwd=folder)
    assert more.returncode == 0, more.stderr
    after = {
        result.trial_id: sweep.result_path(result.trial_id).read_bytes()
        for result in sweep.results()
    }
    assert len(after) > len(before)
    assert all(after[trial_id] == content for trial_id, content in before.items())
    assert all(isinstance(result, CompleteTrial) for result in sweep.results())

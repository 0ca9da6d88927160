"""doctor of a folder: each kind of damage is named, and mended where that is safe."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from optuna.storages import RDBStorage
from optuna.study import load_study
from optuna.trial import TrialState

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.findings import Findings
from deft_sweeps.findings.front_member import trial_ids_of
from deft_sweeps.result import FinalMeasurement, StructureCost
from deft_sweeps.store.cost_record import CostRecord
from deft_sweeps.store.json_record import write_record
from deft_sweeps.store.mlflow import SWEEP, TRIAL_ID
from deft_sweeps.store.stored_spec import stored_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.tracking_client import every_run, plain_client
from deft_sweeps.store.unfinished_trial import UnfinishedTrial
from deft_sweeps.study.pending import read_pending
from deft_sweeps.study.study_mirror import CHOSEN, ON_FRONT
from tests.cli_call import call
from tests.fakes import fake_weights
from tests.samples import complete
from tests.searched_folder import YAML, mirror_all, note, search

MISSING_TRIAL = "0123456789ab-s0"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep, spec = search(tmp_path_factory.mktemp("sound") / "sweep")
    mirror_all(sweep, spec)
    return sweep.root


@pytest.fixture
def sweep(sound: Path, tmp_path: Path) -> SweepDir:
    return SweepDir(Path(shutil.copytree(sound, tmp_path / "sweep")))


def examined(sweep: SweepDir, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and each check by its name."""
    done = call("doctor", sweep.root, "--json", *options)
    assert done.stdout, done.output
    return done.exit_code, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def first_ids(sweep: SweepDir) -> list[str]:
    """Trials in the order they ended."""
    return [result.trial_id for result in sweep.results()]


def off_the_front(sweep: SweepDir) -> str:
    """A trial that nothing asks the weights of."""
    findings = Findings.read(stored_spec(sweep), sweep)
    front = trial_ids_of(findings.front.members)
    baseline = findings.choice.baseline
    needed = {*front, baseline.result.trial_id if baseline else ""}
    return next(trial_id for trial_id in sweep.trial_ids() if trial_id not in needed)


def damage_secret(sweep: SweepDir) -> None:
    with sweep.spec_path.open("a") as file:
        file.write("# token: abcdefgh12345\n")
    sweep.spec_path.chmod(0o644)


def dead_driver(sweep: SweepDir) -> None:
    sweep.write_note(replace(note("searching"), running=(MISSING_TRIAL,)))


def unreadable_note(sweep: SweepDir) -> None:
    sweep.note_path.write_text("{")


def unreadable_result(sweep: SweepDir) -> None:
    sweep.result_path(MISSING_TRIAL).write_text('{"half": ')


def copied_result(sweep: SweepDir) -> None:
    trial_id = first_ids(sweep)[0]
    shutil.copy(sweep.result_path(trial_id), sweep.root / "results" / f"{trial_id} (1).json")


def renamed_result(sweep: SweepDir) -> None:
    trial_id = first_ids(sweep)[0]
    sweep.result_path(trial_id).rename(sweep.root / "results" / f"{trial_id}.sync-conflict.json")


def swapped_result(sweep: SweepDir) -> None:
    sweep.result_path(first_ids(sweep)[0]).rename(sweep.result_path(MISSING_TRIAL))


def same_number(sweep: SweepDir) -> None:
    first, second, *_ = sweep.results()
    sweep.write(replace(second, number=first.number))


def huge_number(sweep: SweepDir) -> None:
    sweep.write(replace(sweep.results()[0], number=10**9))


def changed_record(sweep: SweepDir) -> None:
    record = json.loads(sweep.pending_path.read_text())
    sweep.pending_path.write_text(json.dumps(record | {"next_number": 17}))


def truncated_weights(sweep: SweepDir) -> None:
    path = sweep.weights_path(off_the_front(sweep))
    path.write_bytes(path.read_bytes()[:-3])


def changed_weights(sweep: SweepDir) -> None:
    path = sweep.weights_path(off_the_front(sweep))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def misplaced_weights(sweep: SweepDir) -> None:
    trial_id = first_ids(sweep)[0]
    other = off_the_front(sweep)
    sweep.weights_path(trial_id).replace(sweep.weights_path(other))


def copied_weights(sweep: SweepDir) -> None:
    first, other = first_ids(sweep)[0], off_the_front(sweep)
    shutil.copy(
        sweep.weights_path(first if first != other else first_ids(sweep)[1]),
        sweep.weights_path(other),
    )


def weights_of_an_attempt(sweep: SweepDir) -> None:
    """The driver ended between storing a result and taking its weights."""
    findings = Findings.read(stored_spec(sweep), sweep)
    trial_id = min(trial_ids_of(findings.front.members))
    attempt = UnfinishedTrial(sweep, trial_id).begin()
    attempt.write_weights(fake_weights(trial_id))
    sweep.weights_path(trial_id).unlink()


def attempt_of_a_complete_trial(sweep: SweepDir) -> None:
    UnfinishedTrial(sweep, first_ids(sweep)[0]).begin().write_checkpoint(b"x")


def attempt_of_no_trial(sweep: SweepDir) -> None:
    UnfinishedTrial(sweep, MISSING_TRIAL).begin().write_checkpoint(b"x")


def final_of(sweep: SweepDir, trial_id: str) -> FinalMeasurement:
    result = complete(sweep.results()[0])
    assert result.cost is not None
    assert result.provenance is not None
    return FinalMeasurement(
        role="chosen",
        trial_id=trial_id,
        point=result.points[0],
        cost=result.cost,
        provenance=result.provenance,
    )


def final_of_no_trial(sweep: SweepDir) -> None:
    sweep.final_record().write(final_of(sweep, MISSING_TRIAL))


def unreadable_final(sweep: SweepDir) -> None:
    sweep.final_record().write(final_of(sweep, first_ids(sweep)[0]))
    (sweep.root / "final" / "chosen.json").write_text("{}")


def cost_of_no_trial(sweep: SweepDir) -> None:
    result = complete(sweep.results()[0])
    assert result.provenance is not None
    CostRecord(sweep.root).write(
        StructureCost(
            trial_id=MISSING_TRIAL,
            latency_sec=0.1,
            latency_high_sec=None,
            peak_memory_bytes=1,
            provenance=result.provenance,
        )
    )


def misnamed_candidate(sweep: SweepDir) -> None:
    write_record(
        sweep.root / "selection" / "chain.json",
        {
            "alpha": 0.05,
            "policy": "knee",
            "limits": [],
            "metric": "score",
            "n_examples": 10,
        },
    )
    measurement = replace(final_of(sweep, first_ids(sweep)[0]), role="candidate")
    write_record(sweep.root / "selection" / f"{MISSING_TRIAL}@0.5.json", measurement)


def study_gone(sweep: SweepDir) -> None:
    for path in sweep.root.glob("study.db*"):
        path.unlink()


def damaged_study(sweep: SweepDir) -> None:
    study_gone(sweep)
    sweep.study_path.write_bytes(b"no database " * 500)


def study_lacks_a_trial(sweep: SweepDir) -> None:
    with closing(sqlite3.connect(sweep.study_path)) as file, file:
        file.execute("DELETE FROM trials WHERE number = 2")


def study_lacks_the_last_trial(sweep: SweepDir) -> None:
    """Its parameters are still there, in the way of another trial."""
    with closing(sqlite3.connect(sweep.study_path)) as file, file:
        file.execute("DELETE FROM trials WHERE number = 5")


def study_with_other_values(sweep: SweepDir) -> None:
    with closing(sqlite3.connect(sweep.study_path)) as file, file:
        file.execute("UPDATE trial_values SET value = value + 0.5 WHERE trial_id = 1")


def study_with_a_trial_twice(sweep: SweepDir) -> None:
    storage = RDBStorage(sweep.study_url)
    study = load_study(study_name="searched", storage=storage)
    study.add_trial(study.trials[0])
    storage.engine.dispose()


def study_with_a_trial_without_result(sweep: SweepDir) -> None:
    storage = RDBStorage(sweep.study_url)
    study = load_study(study_name="searched", storage=storage)
    trial = study.trials[0]
    trial.user_attrs[TRIAL_ID] = MISSING_TRIAL
    study.add_trial(trial)
    storage.engine.dispose()


def tracker_gone(sweep: SweepDir) -> None:
    for path in sweep.root.glob("mlflow.db*"):
        path.unlink()


def damaged_tracker(sweep: SweepDir) -> None:
    tracker_gone(sweep)
    sweep.mlflow_path.write_bytes(b"no database " * 500)


def runs_of(sweep: SweepDir) -> tuple[Any, Any, list[Any]]:
    client = plain_client(sweep.mlflow_url)
    experiment = client.get_experiment_by_name("searched").experiment_id
    runs = every_run(client, experiment, "")
    (parent,) = [run for run in runs if SWEEP in run.data.tags]
    return client, parent, [run for run in runs if TRIAL_ID in run.data.tags]


def run_deleted(sweep: SweepDir) -> None:
    client, _, children = runs_of(sweep)
    client.delete_run(children[0].info.run_id)


def run_doubled(sweep: SweepDir) -> None:
    client, parent, children = runs_of(sweep)
    client.create_run(parent.info.experiment_id, tags=dict(children[0].data.tags))


def run_without_result(sweep: SweepDir) -> None:
    client, parent, children = runs_of(sweep)
    tags = dict(children[0].data.tags) | {TRIAL_ID: MISSING_TRIAL}
    client.create_run(parent.info.experiment_id, tags=tags)


def run_with_another_status(sweep: SweepDir) -> None:
    client, _, children = runs_of(sweep)
    client.update_run(children[0].info.run_id, status="RUNNING")


def run_with_other_values(sweep: SweepDir) -> None:
    client, _, children = runs_of(sweep)
    later = int(time.time() * 1000) + 60_000
    client.log_metric(children[0].info.run_id, "threshold_0.01/score", 0.123, later)


def parent_doubled(sweep: SweepDir) -> None:
    client, parent, _ = runs_of(sweep)
    client.create_run(parent.info.experiment_id, tags=dict(parent.data.tags))


def trials_below_two_parents(sweep: SweepDir) -> None:
    client, parent, children = runs_of(sweep)
    second = client.create_run(parent.info.experiment_id, tags=dict(parent.data.tags))
    for child in children[:2]:
        client.set_tag(child.info.run_id, "mlflow.parentRunId", second.info.run_id)


def parent_left_running(sweep: SweepDir) -> None:
    client, parent, _ = runs_of(sweep)
    client.update_run(parent.info.run_id, status="RUNNING")


def tracker_without_spec(sweep: SweepDir) -> None:
    for path in sweep.mlflow_artifacts.rglob("spec.yaml"):
        path.unlink()


MENDABLE: tuple[tuple[Callable[[SweepDir], None], str, str], ...] = (
    (damage_secret, "spec", "holds a secret and others may read it"),
    (dead_driver, "driver", "is searching, and no driver holds the folder"),
    (unreadable_note, "driver", "driver.json cannot be read"),
    (unreadable_result, "results", f"results/{MISSING_TRIAL}.json cannot be read"),
    (copied_result, "results", " (1).json is the result of the trial"),
    (renamed_result, "results", ".sync-conflict.json is the result of the trial"),
    (swapped_result, "results", f"{MISSING_TRIAL}.json is the result of the trial"),
    (same_number, "numbers", "both have the number 0"),
    (huge_number, "numbers", "has the number 1000000000"),
    (changed_record, "pending", "it was changed since it was written"),
    (truncated_weights, "weights", "is damaged"),
    (changed_weights, "weights", "its checksum does not hold"),
    (misplaced_weights, "weights", "holds the weights of"),
    (copied_weights, "weights", "holds the weights of"),
    (weights_of_an_attempt, "weights", "are missing"),
    (attempt_of_a_complete_trial, "attempts", "has a result already"),
    (attempt_of_no_trial, "attempts", "is in no record of running trials"),
    (final_of_no_trial, "measurements", "which has no result"),
    (unreadable_final, "measurements", "final/chosen.json cannot be read"),
    (cost_of_no_trial, "measurements", f"costs/{MISSING_TRIAL}.json is of"),
    (misnamed_candidate, "measurements", f"selection/{MISSING_TRIAL}@0.5.json is of"),
    (study_gone, "study", "the study lacks"),
    (damaged_study, "study", "the study cannot be read"),
    (study_lacks_a_trial, "study", "the study lacks"),
    (study_lacks_the_last_trial, "study", "the study lacks"),
    (study_with_other_values, "study", "has other values for"),
    (study_with_a_trial_twice, "study", "has twice"),
    (study_with_a_trial_without_result, "study", f"has without a result {MISSING_TRIAL}"),
    (tracker_gone, "tracker", "there is no mlflow.db"),
    (damaged_tracker, "tracker", "mlflow.db is damaged"),
    (run_deleted, "tracker", "MLflow lacks"),
    (run_doubled, "tracker", "has more than one run of"),
    (run_without_result, "tracker", f"has runs without a result, of {MISSING_TRIAL}"),
    (run_with_another_status, "tracker", "has another status or other values for"),
    (run_with_other_values, "tracker", "has another status or other values for"),
    (parent_doubled, "tracker", "MLflow has 2 runs of the sweep"),
    (trials_below_two_parents, "tracker", "MLflow has 2 runs of the sweep"),
    (parent_left_running, "tracker", "MLflow calls the sweep RUNNING"),
    (tracker_without_spec, "tracker", "MLflow has no spec.yaml"),
)


def results_in(sweep: SweepDir) -> dict[str, bytes]:
    paths = (sweep.root / "results").glob("*.json")
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize(
    ("damage", "name", "words"), MENDABLE, ids=[damage.__name__ for damage, *_ in MENDABLE]
)
def test_damage_is_named_then_mended_and_all_is_well(
    sweep: SweepDir, damage: Callable[[SweepDir], None], name: str, words: str
) -> None:
    results = {result.trial_id for result in sweep.results()}
    damage(sweep)
    before = sorted(path.name for path in sweep.root.rglob("*.json"))
    code, checks = examined(sweep)
    assert code == BAD_INPUT
    assert checks[name]["state"] == "problem"
    (problem,) = [p for p in checks[name]["problems"] if words in p["what"]]
    assert problem["can_be_mended"]
    assert sorted(path.name for path in sweep.root.rglob("*.json")) == before, "it only looks"
    code, checks = examined(sweep, "--fix")
    assert words in " ".join(p["what"] for p in checks[name]["mended"])
    assert code == 0, checks
    code, checks = examined(sweep)
    assert code == 0
    assert {check["state"] for check in checks.values()} == {"ok"}
    assert {result.trial_id for result in sweep.results()} == results, "no result is lost"


def lost_weights(sweep: SweepDir) -> None:
    findings = Findings.read(stored_spec(sweep), sweep)
    assert findings.choice.member is not None
    sweep.weights_path(findings.choice.member.result.trial_id).unlink()


def unusable_spec(sweep: SweepDir) -> None:
    sweep.spec_path.write_text("name: searched\nspace: {density: [los]}\n")


def unreadable_chain(sweep: SweepDir) -> None:
    (sweep.root / "selection").mkdir()
    (sweep.root / "selection" / "chain.json").write_text("{")


def unopened_result(sweep: SweepDir) -> None:
    """As on a drive in trouble: the file may be whole."""
    sweep.result_path(MISSING_TRIAL).mkdir()


def unopened_weights(sweep: SweepDir) -> None:
    path = sweep.weights_path(first_ids(sweep)[0])
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "name", "words", "remedy"),
    [
        (unopened_result, "results", "cannot be opened", "make it readable"),
        (unopened_weights, "weights", "cannot be opened", "make it readable"),
        (lost_weights, "weights", "are missing", "trains another trial"),
        (unusable_spec, "spec", "spec.yaml cannot be used", "recover-spec"),
        (unreadable_chain, "measurements", "chain.json cannot be read", "restore it from a copy"),
    ],
)
def test_what_takes_a_decision_is_named_and_left_alone(
    sweep: SweepDir, damage: Callable[[SweepDir], None], name: str, words: str, remedy: str
) -> None:
    damage(sweep)
    results = results_in(sweep)
    code, checks = examined(sweep, "--fix")
    assert code == BAD_INPUT
    (problem,) = checks[name]["problems"]
    assert words in problem["what"]
    assert remedy in problem["remedy"]
    assert not problem["can_be_mended"]
    assert results_in(sweep) == results


def test_a_line_says_what_is_wrong_what_it_means_and_what_would_be_done(sweep: SweepDir) -> None:
    run_deleted(sweep)
    done = call("doctor", sweep.root)
    assert done.exit_code == BAD_INPUT
    lines = done.stdout.splitlines()
    assert lines[0] == "spec: ok, searched, 6 trials"
    (line,) = [line for line in lines if "problem" in line and line.startswith("tracker")]
    assert line.startswith("tracker: problem: MLflow lacks ")
    assert line.endswith("; MLflow shows another sweep than the results; --fix adds them")
    assert lines[-1] == "1 problem"
    done = call("doctor", sweep.root, "--fix")
    assert "tracker: mended: MLflow lacks " in done.stdout
    assert done.stdout.splitlines()[-1] == "all is well; 1 mended"


def test_a_rebuilt_study_has_the_marks_of_the_report(sweep: SweepDir) -> None:
    study_gone(sweep)
    assert examined(sweep, "--fix")[0] == 0
    findings = Findings.read(stored_spec(sweep), sweep)
    trials = load_study(study_name="searched", storage=sweep.study_url).trials
    front = {trial.user_attrs[TRIAL_ID] for trial in trials if trial.user_attrs[ON_FRONT]}
    assert front == set(trial_ids_of(findings.front.members))
    assert sum(trial.user_attrs[CHOSEN] for trial in trials) == 1
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}


def test_a_driver_that_runs_is_no_problem_and_nothing_is_mended_beside_it(sweep: SweepDir) -> None:
    sweep.write_note(note("searching"))
    run_deleted(sweep)
    parent_left_running(sweep)
    study_lacks_a_trial(sweep)
    attempt_of_no_trial(sweep)
    with FileLock(sweep.root / ".lock"):
        code, checks = examined(sweep)
        assert code == 0, checks
        assert checks["driver"]["summary"].startswith("the folder is held by process")
        done = call("doctor", sweep.root, "--fix")
    assert done.exit_code == BAD_INPUT
    assert "is in use by another driver" in done.stderr
    assert examined(sweep)[0] == BAD_INPUT, "once it is dead, these are problems"


def test_a_server_that_is_down_is_said_and_all_else_is_checked(sweep: SweepDir) -> None:
    with sweep.spec_path.open("a") as file:
        file.write("tracking_uri: http://ann:hunter2@127.0.0.1:9\n")
    sweep.spec_path.chmod(0o600)
    done = call("doctor", sweep.root)
    assert done.exit_code == 0
    assert "tracker: not checked: MLflow at http://***@127.0.0.1:9" in done.stdout
    assert "hunter2" not in done.output
    assert done.stdout.splitlines()[-1] == "all is well; not checked: tracker"
    assert "study: ok, 6 trials" in done.stdout


def test_a_moved_result_is_resumed_with_its_record(sweep: SweepDir) -> None:
    """The record of running trials stays usable after --fix."""
    dead_driver(sweep)
    assert examined(sweep, "--fix")[0] == 0
    spec = stored_spec(sweep)
    assert read_pending(spec, sweep, sweep.trial_ids(), pytest.fail).proposals == {}
    remaining = sweep.note()
    assert remaining is not None
    assert (remaining.state, remaining.running, remaining.n_budget) == ("interrupted", (), 6)


def test_a_folder_is_checked_without_ray_and_torch(sweep: SweepDir) -> None:
    blocked = "import sys; sys.modules.update(ray=None, torch=None, transformers=None); "
    script = f"{blocked}sys.argv = ['deft-sweeps', 'doctor', {str(sweep.root)!r}]; "
    script += "from deft_sweeps.cli import main; main()"
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "all is well"


def test_each_sweep_of_a_file_with_several_is_checked(tmp_path: Path) -> None:
    yamls = [YAML.replace("name: searched", f"name: {name}") for name in ("first", "second")]
    (tmp_path / "spec.yaml").write_text("---".join(yamls))
    done = call("doctor", tmp_path)
    assert done.exit_code == BAD_INPUT
    assert "holds 2 sweeps, none of which has begun" in done.stderr
    for name, yaml in zip(("first", "second"), yamls, strict=True):
        mirror_all(*search(tmp_path / name, 3, yaml))
    unreadable_result(SweepDir(tmp_path / "second"))
    done = call("doctor", tmp_path, "--json")
    assert done.exit_code == BAD_INPUT
    assert [document["is_sound"] for document in json.loads(done.stdout)] == [True, False]
    done = call("doctor", tmp_path, "--fix")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{tmp_path / 'first'}:\n")


def test_a_folder_that_has_not_begun_is_sound(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(YAML)
    done = call("doctor", tmp_path)
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"], "it only looks"


def test_a_folder_that_is_none_and_a_fix_of_no_folder_are_bad_input(tmp_path: Path) -> None:
    done = call("doctor", tmp_path)
    assert done.exit_code == BAD_INPUT
    assert "is no sweep folder" in done.stderr
    done = call("doctor", "--fix")
    assert done.exit_code == BAD_INPUT
    assert "deft-sweeps doctor DIR --fix" in done.stderr

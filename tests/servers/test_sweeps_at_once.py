"""Four sweeps at once on an MLflow server over PostgreSQL, each with its mirrors' own process."""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.store.recovered_spec import recover_spec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.sweep_identity import sweep_id
from deft_sweeps.store.tracking_client import plain_client
from tests.cli_call import call
from tests.searched_folder import YAML, mirror_all, search
from tests.servers.played_drive import PlayedDrive, disagreements, runs_at, yaml_of
from tests.servers.postgresql import PostgreSQL
from tests.servers.tracking_server import TrackingServer

pytestmark = pytest.mark.servers
N_SWEEPS, N_TRIALS = 4, 15


@pytest.fixture(scope="module")
def drives(tracker: TrackingServer, tmp_path_factory: pytest.TempPathFactory) -> list[PlayedDrive]:
    """Sweeps of one name and one space, begun at the same moment, that have run to their end."""
    root = tmp_path_factory.mktemp("at-once")
    yaml = yaml_of("at-once", tracker.uri.replace("//", "//ann:hunter2@"))
    drives = [PlayedDrive(root / str(i), yaml, N_TRIALS) for i in range(N_SWEEPS)]
    for _ in range(N_TRIALS):
        for driven in drives:
            driven.store()
    with ThreadPoolExecutor(N_SWEEPS) as threads:
        levels = list(threads.map(PlayedDrive.close, drives))
    assert levels == [True] * N_SWEEPS, [driven.troubles for driven in drives]
    return drives


def test_no_run_is_missing_doubled_or_left_running(
    tracker: TrackingServer, drives: list[PlayedDrive]
) -> None:
    """All four have trials of the same names."""
    parents, children = runs_at(tracker.uri, "at-once")
    assert {parent.info.status for parent in parents} == {"FINISHED"}
    by_sweep = {parent.data.tags["deft_sweeps.sweep"]: parent.info.run_id for parent in parents}
    assert sorted(by_sweep) == sorted(sweep_id(driven.sweep) for driven in drives)
    assert len(children) == N_SWEEPS * N_TRIALS
    for driven in drives:
        parent = by_sweep[sweep_id(driven.sweep)]
        own = [c for c in children if c.data.tags["mlflow.parentRunId"] == parent]
        mirrored = sorted(child.data.tags["trial_id"] for child in own)
        assert mirrored == sorted(driven.sweep.trial_ids())
    assert {child.info.status for child in children} == {"FINISHED"}
    assert {child.info.lifecycle_stage for child in children} == {"active"}


def test_store_study_and_tracker_agree(drives: list[PlayedDrive]) -> None:
    assert [disagreements(driven.sweep) for driven in drives] == [[]] * N_SWEEPS


def test_a_runs_step_metrics_are_whole(tracker: TrackingServer, drives: list[PlayedDrive]) -> None:
    client = plain_client(tracker.uri)
    child = runs_at(tracker.uri, "at-once")[1][0]
    history = client.get_metric_history(child.info.run_id, "train/task_loss")
    assert sorted(metric.step for metric in history) == list(range(1, 21))


def test_artifacts_lie_where_the_server_says_and_no_password_is_there(
    tracker: TrackingServer, drives: list[PlayedDrive], database: PostgreSQL
) -> None:
    parents, children = runs_at(tracker.uri, "at-once")
    assert {run.info.artifact_uri.partition("/")[0] for run in parents + children} == {
        "mlflow-artifacts:"
    }
    rows = database.execute("SELECT artifact_uri FROM runs UNION SELECT value FROM tags")
    assert "hunter2" not in str(rows)
    files = [path for path in tracker.files.rglob("*") if path.is_file()]
    assert len(files) >= N_SWEEPS * (N_TRIALS + 1)
    assert not any(b"hunter2" in path.read_bytes() for path in files)


def test_a_lost_folders_yaml_comes_back_from_the_server_alone(
    tracker: TrackingServer, drives: list[PlayedDrive], tmp_path: Path
) -> None:
    """An equal spec, its password left out."""
    driven, wanted = drives[0], sweep_id(drives[0].sweep)
    lost = Path(shutil.move(driven.sweep.root, tmp_path / "lost"))
    try:
        again = tmp_path / "again.yaml"
        done = call("recover-spec", "at-once", "--tracking-uri", tracker.uri, "-o", again)
        assert done.exit_code == 2
        assert "4 sweeps are named at-once" in done.stderr
        options = ("--tracking-uri", tracker.uri, "--id", wanted)
        done = call("recover-spec", "at-once", *options, "-o", again)
        assert done.exit_code == 0, done.output
        assert "hunter2" not in again.read_text()
        with_password = again.read_text().replace("***@", "ann:hunter2@")
        again.write_text(with_password)
        (part,) = load_parts(again)
        assert part.spec == driven.spec
        assert call("recover-spec", "at-once", *options).stdout.startswith("\nname: at-once\n")
        assert call("recover-spec", "no-such", *options).exit_code == 2
    finally:
        shutil.move(lost, driven.sweep.root)


def test_a_study_and_runs_on_one_database_agree(
    tracker: TrackingServer, database: PostgreSQL, tmp_path: Path
) -> None:
    """`search.storage` on PostgreSQL too; values that were changed there are named and mended."""
    database.execute("CREATE DATABASE studies")
    yaml = yaml_of("one-database", tracker.uri).replace(
        "search: {", f"search: {{storage: '{database.url('studies')}', "
    )
    sweep, spec = search(tmp_path / "sweep", 4, yaml)
    mirror_all(sweep, spec)
    assert disagreements(sweep) == []
    database.execute("UPDATE trial_values SET value = value + 1", "studies")
    done = call("doctor", sweep.root)
    assert "study: problem: the study has other values for" in done.stdout
    assert call("doctor", sweep.root, "--fix").exit_code == 0
    assert disagreements(sweep) == []


def test_a_moved_folder_keeps_its_runs_and_their_files(tmp_path: Path) -> None:
    """Of a sweep with its own database, served from where it lies now; also of one whose database
    an earlier version has made, with absolute paths.
    """
    sweep, spec = search(tmp_path / "before", 3, YAML)
    mirror_all(sweep, spec)
    before = sweep.root
    with closing(sqlite3.connect(sweep.mlflow_path)) as file, file:  # As earlier versions did.
        place = (before / "mlartifacts").as_uri()
        file.execute(
            "UPDATE experiments SET artifact_location = ? WHERE name = 'searched'", (place,)
        )
        file.execute(
            "UPDATE runs SET artifact_uri = ? || '/' || run_uuid || '/artifacts'", (place,)
        )
    moved = SweepDir(before.rename(tmp_path / "after"))
    mirror_all(moved, spec)
    assert not before.exists(), "nothing is written where the folder was"
    assert disagreements(moved) == []
    server = TrackingServer(moved.mlflow_url, tmp_path / "server", files=moved.mlflow_artifacts)
    with server:
        client = plain_client(server.uri)
        parents, children = runs_at(server.uri, "searched")
        assert (len(parents), len(children)) == (1, 3)
        for child in children:
            path = client.download_artifacts(child.info.run_id, "result.json", str(tmp_path))
            trial_id = child.data.tags["trial_id"]
            assert Path(path).read_bytes() == moved.result_path(trial_id).read_bytes()
        assert recover_spec(server.uri, "searched").text == YAML
    assert recover_spec(moved.mlflow_url, "searched").text == YAML

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from deft_sweeps.atomic_build import build_file
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import StoreError
from deft_sweeps.result import FailedTrial, StepMetrics, read_result
from deft_sweeps.store import tracking_client
from deft_sweeps.store.database import sqlite_url
from deft_sweeps.store.mlflow import SWEEP, Mirror
from deft_sweeps.store.run_metrics import final_metrics
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.sweep_identity import sweep_id
from deft_sweeps.store.tracking_client import tracking_uri
from deft_sweeps.study.study_mirror import StudyMirror
from tests.fakes import fake_result, fake_spec, plain
from tests.late_relay import Delay, LateRelay
from tests.samples import complete


def config(rate: float) -> TrialConfig:
    return fake_spec().config(plain(rate))


def filled(root: Path, rates: tuple[float, ...] = (1e-3, 2e-3)) -> SweepDir:
    """A sweep with a complete trial a rate, one that failed, and step metrics of the first."""
    sweep = SweepDir(root)
    for rate in rates:
        sweep.write(fake_result(config(rate), 0, started_at=time.time() - 5))
    sweep.write(
        FailedTrial(
            config=config(9e-3),
            seed=0,
            error="no luck",
            started_at=1e9,
            finished_at=1e9 + 1,
        )
    )
    steps = [
        StepMetrics(
            step=s, task_loss=1 / s, density_loss=0.5, grad_norm=float("nan"), learning_rate=1e-3
        )
        for s in (1, 2, 3)
    ]
    sweep.add_steps(config(rates[0]).trial_id(0), steps)
    return sweep


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def runs(uri: str, name: str = "fake") -> tuple[list[Any], list[Any]]:
    """Parents and children."""
    store = client(uri)
    runs = list(
        store.search_runs([store.get_experiment_by_name(name).experiment_id], max_results=1000)
    )
    return [r for r in runs if SWEEP in r.data.tags], [r for r in runs if "trial_id" in r.data.tags]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> SweepDir:
    sweep = filled(tmp_path_factory.mktemp("sweep"))
    assert Mirror(sweep, "fake").catch_up() == 3
    return sweep


def test_a_database_whose_making_was_cut_short_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that is killed in its first seconds dies between two of MLflow's migrations; earlier
    versions left the file under its own name.
    """
    sweep = filled(tmp_path)
    with closing(sqlite3.connect(sweep.mlflow_path)) as file:
        file.execute("CREATE TABLE _alembic_tmp_params (x)")

    def cut_short(uri: str) -> None:
        with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as file:
            file.execute("CREATE TABLE _alembic_tmp_params (x)")
        raise OSError("killed")

    monkeypatch.setattr("deft_sweeps.store.tracking_client.plain_client", cut_short)
    with pytest.raises(StoreError, match="killed"):
        Mirror(sweep, "fake").catch_up()
    monkeypatch.undo()
    assert Mirror(sweep, "fake").catch_up() == 3
    assert [path.name for path in tmp_path.glob(".mlflow.db.*")] == [".mlflow.db.lock"]
    assert (tmp_path / "mlflow.db.broken").exists()


def test_one_parent_and_a_child_for_each_result(mirrored: SweepDir) -> None:
    parents, children = runs(mirrored.mlflow_url)
    assert len(parents) == 1
    assert {c.data.tags["trial_id"]: c.info.status for c in children} == {
        config(1e-3).trial_id(0): "FINISHED",
        config(2e-3).trial_id(0): "FINISHED",
        config(9e-3).trial_id(0): "FAILED",
    }
    assert {c.data.tags["mlflow.parentRunId"] for c in children} == {parents[0].info.run_id}
    (bad,) = [c for c in children if c.info.status == "FAILED"]
    assert bad.data.tags["error"] == "no luck"


def test_a_child_has_settings_numbers_steps_and_the_result(mirrored: SweepDir) -> None:
    trial_id = config(1e-3).trial_id(0)
    (child,) = [c for c in runs(mirrored.mlflow_url)[1] if c.data.tags["trial_id"] == trial_id]
    assert child.data.params["training.learning_rate"] == "0.001"
    assert child.data.params["peft.kind"] == "lora"
    assert child.data.params["seed"] == "0"
    result = complete(mirrored.result(trial_id))
    assert child.data.metrics["threshold_0.01/score"] == result.point_at(0.01).score.value
    assert child.data.metrics["weight_bytes"] == 400
    assert final_metrics(result).items() <= child.data.metrics.items()
    store = client(mirrored.mlflow_url)
    history = [
        (m.step, m.value) for m in store.get_metric_history(child.info.run_id, "train/task_loss")
    ]
    assert sorted(history) == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert store.get_metric_history(child.info.run_id, "train/grad_norm") == []
    assert child.info.artifact_uri == f"mlflow-artifacts:/{child.info.run_id}/artifacts"
    path = mirrored.mlflow_artifacts / child.info.run_id / "artifacts" / "result.json"
    assert read_result(path.read_bytes()) == result
    assert len(list(mirrored.mlflow_artifacts.rglob("result.json"))) == 3


def test_mirroring_again_changes_nothing(mirrored: SweepDir) -> None:
    again = Mirror(mirrored, "fake")
    assert again.catch_up() == 0
    assert again.catch_up() == 0
    assert len(again.trials()) == 3
    parents, children = runs(mirrored.mlflow_url)
    assert (len(parents), len(children)) == (1, 3)


def test_a_child_that_a_crash_left_half_written_is_finished_not_doubled(tmp_path: Path) -> None:
    sweep = filled(tmp_path)
    mirror = Mirror(sweep, "fake")
    mirror.catch_up()
    trial_id = config(1e-3).trial_id(0)
    (child,) = [c for c in runs(sweep.mlflow_url)[1] if c.data.tags["trial_id"] == trial_id]
    client(sweep.mlflow_url).update_run(child.info.run_id, status="RUNNING")
    assert Mirror(sweep, "fake").catch_up() == 1
    _, children = runs(sweep.mlflow_url)
    assert len(children) == 3
    (child,) = [c for c in children if c.data.tags["trial_id"] == trial_id]
    assert child.info.status == "FINISHED"
    assert (
        len(client(sweep.mlflow_url).get_metric_history(child.info.run_id, "train/task_loss")) == 3
    )


def test_a_deleted_mirror_is_rebuilt_and_the_parent_takes_files(tmp_path: Path) -> None:
    Mirror(filled(tmp_path / "before"), "fake").catch_up()
    # Elsewhere, since mlflow keeps a file that this process has opened, deleted or not.
    shutil.copytree(
        tmp_path / "before",
        tmp_path / "after",
        ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts"),
    )
    sweep = SweepDir(tmp_path / "after")
    mirror = Mirror(sweep, "fake")
    assert mirror.catch_up() == 3
    mirror.attach({"front.json": b'{"members": []}', "report.html": b"<html></html>"})
    mirror.close()
    (parent,), children = runs(sweep.mlflow_url)
    assert len(children) == 3
    assert parent.info.status == "FINISHED"
    files = sweep.mlflow_artifacts / parent.info.run_id / "artifacts"
    assert {path.name for path in files.iterdir()} == {"front.json", "report.html"}
    assert json.loads((files / "front.json").read_bytes()) == {"members": []}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real tracking server on loopback."""
    port, tmp_path = free_port(), tmp_path_factory.mktemp("server")
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path / 'server.db'}",
        "--artifacts-destination",
        str(tmp_path / "artifacts"),
    ]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
        try:
            for _ in range(240):
                with (
                    suppress(OSError),
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1),
                ):
                    break
                time.sleep(0.5)
            else:
                pytest.fail((tmp_path / "server.log").read_text())
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def test_two_sweeps_of_one_name_lie_side_by_side_on_a_server(server: str, tmp_path: Path) -> None:
    a, b = filled(tmp_path / "a"), filled(tmp_path / "b", rates=(1e-3,))
    with_password = server.replace("http://", "http://ann:hunter2@")
    mirror = Mirror(a, "fake", with_password)
    assert mirror.catch_up() == 3
    assert Mirror(b, "fake", server).catch_up() == 2
    assert Mirror(a, "fake", server).catch_up() == 0
    assert "hunter2" not in mirror.where
    parents, children = runs(server)
    assert (len(parents), len(children)) == (2, 5)
    mirror.attach({"front.json": b"{}"})
    parent = next(
        p
        for p in parents
        if p.data.tags["mlflow.runName"] == "fake" and client(server).list_artifacts(p.info.run_id)
    )
    assert [f.path for f in client(server).list_artifacts(parent.info.run_id)] == ["front.json"]
    assert "hunter2" not in "".join(
        path.read_text(errors="ignore") for path in (tmp_path / "a").rglob("*") if path.is_file()
    )


def test_a_sweep_that_goes_on_elsewhere_stays_one_sweep_on_a_server(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another host, after its folder was moved."""
    sweep = SweepDir(tmp_path / "begun")
    sweep_id(sweep)  # As a driver does before it writes anything else.
    filled(sweep.root, rates=(1e-3,))
    assert Mirror(sweep, "elsewhere", server).catch_up() == 2
    monkeypatch.setattr("platform.node", lambda: "another-head")
    moved = SweepDir(sweep.root.rename(tmp_path / "moved"))
    moved.write(fake_result(config(3e-3), 0))
    assert Mirror(moved, "elsewhere", server).catch_up() == 1
    parents, children = runs(server, "elsewhere")
    assert (len(parents), len(children)) == (1, 3)


def test_a_server_that_is_down_costs_seconds_and_says_so_without_the_password(
    tmp_path: Path,
) -> None:
    sweep = filled(tmp_path)
    mirror = Mirror(sweep, "fake", f"http://ann:hunter2@127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"MLflow at http://\*\*\*@127") as raised:
        mirror.catch_up()
    assert time.monotonic() - began < 30
    assert "hunter2" not in str(raised.value)


def test_the_spec_goes_before_the_environment_and_that_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = SweepDir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(sweep, None) == sweep.mlflow_url
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://env")
    assert tracking_uri(sweep, None) == "http://env"
    assert tracking_uri(sweep, "http://spec") == "http://spec"


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


class SlowlyAnswered(LateRelay):
    """Passes requests on to a tracking server; the first ones that make a run are answered late.

    Attributes:
        made_late: the server makes these runs late too, when nobody waits any more.
        n_late: answers that still come late.
        n_created: requests that made a run.
    """

    def __init__(self, server: str, late_sec: float, *, made_late: bool = False) -> None:
        super().__init__(server)
        self.late_sec, self.made_late = late_sec, made_late
        self.n_late = self.n_created = 0

    def delay(self, path: str) -> Delay:
        if not path.endswith("/runs/create"):
            return Delay()
        self.n_created += 1
        if not self.n_late:
            return Delay()
        self.n_late -= 1
        return Delay(before=self.late_sec) if self.made_late else Delay(after=self.late_sec)


class TestTrackerThatAnswersSlowly:
    """Whatever comes too late, no run is there twice."""

    @pytest.mark.parametrize("n_retries", ["", "1"], ids=["own-settings", "user-retries"])
    def test_a_tracker_slower_than_its_client_does_not_double_runs(
        self, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_retries: str
    ) -> None:
        """Also if the user's own settings have MLflow send again what makes a run."""
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
        if n_retries:
            monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", n_retries)
        sweep, name = filled(tmp_path, rates=(1e-3,)), f"slow-{n_retries}"
        with SlowlyAnswered(server, 1.4) as slow:
            mirror = Mirror(sweep, name, slow.uri)
            for n_late in (1, 1, 0):  # The sweep's own run, then a trial's.
                slow.n_late = n_late
                with suppress(StoreError):
                    mirror.catch_up()
            mirror.close()
            assert (slow.n_created > 3) == bool(n_retries)
            assert Mirror(sweep, name, slow.uri).catch_up() == 0
        parents, children = runs(server, name)
        assert (len(parents), len(children)) == (1, 2)
        assert {child.data.tags["mlflow.parentRunId"] for child in children} == {
            parents[0].info.run_id
        }
        assert {child.info.status for child in children} == {"FINISHED", "FAILED"}

    @pytest.mark.parametrize("made_late", [False, True], ids=["answered-late", "made-late"])
    def test_a_run_that_nobody_waited_for_is_taken_instead_of_another(
        self, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_late: bool
    ) -> None:
        """Three requests make three runs, though no answer comes in time, and none is in vain."""
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        sweep, name = filled(tmp_path, rates=(1e-3,)), f"taken-{made_late}"
        with SlowlyAnswered(server, 1.4, made_late=made_late) as slow:
            slow.n_late = 3
            assert Mirror(sweep, name, slow.uri).catch_up() == 2
            assert (slow.n_late, slow.n_created) == (0, 3)
        parents, children = runs(server, name)
        assert (len(parents), len(children)) == (1, 2)

    def test_a_run_that_is_made_even_later_is_deleted_at_the_end(
        self, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The mirror has looked for it in vain, and has made another one."""
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setattr(tracking_client, "LATE_SEC", 0.0)
        sweep = filled(tmp_path, rates=(1e-3,))
        with SlowlyAnswered(server, 3.0, made_late=True) as slow:
            mirror = Mirror(sweep, "later", slow.uri)
            slow.n_late = 1
            with pytest.raises(StoreError, match="MLflow at"):
                mirror.catch_up()
            mirror.catch_up()
            wait_for(lambda: len(runs(server, "later")[0]) == 2)
            mirror.close()
        parents, children = runs(server, "later")
        assert (len(parents), len(children)) == (1, 2)


class TestMlflowDatabase:
    """A file that cannot be used is set aside and made anew."""

    @pytest.mark.parametrize(
        ("content", "is_useless"),
        [
            ("", True),
            ("CREATE TABLE _alembic_tmp_params (x)", True),
            ("CREATE TABLE runs (run_uuid)", True),
            ("CREATE TABLE runs (run_uuid); INSERT INTO runs VALUES (1)", False),
            (b"no database " * 500, True),
            (None, False),
        ],
        ids=["empty", "first-migrations", "no-runs", "runs", "no-database", "missing"],
    )
    def test_a_file_without_a_run_or_with_damage_is_useless(
        self, tmp_path: Path, content: str | bytes | None, is_useless: bool
    ) -> None:
        path = tmp_path / "mlflow.db"
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            with closing(sqlite3.connect(path)) as file:
                file.executescript(content)
            path.touch()
        assert tracking_client.is_useless(path) == is_useless

    def test_one_that_another_process_writes_is_not(self, tmp_path: Path) -> None:
        path = tmp_path / "mlflow.db"
        with closing(sqlite3.connect(path)) as file:
            file.executescript("CREATE TABLE runs (run_uuid); INSERT INTO runs VALUES (1)")
            file.execute("BEGIN IMMEDIATE")
            file.execute("DELETE FROM runs")
            assert not tracking_client.is_useless(path)

    def test_two_drivers_make_one_file(self, tmp_path: Path) -> None:
        """They once raced: the later one replaced what the earlier one had opened."""
        sweep = SweepDir(tmp_path)
        made: list[Path] = []

        def build(path: Path) -> None:
            made.append(path)
            time.sleep(0.1)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: build_file(sweep.mlflow_path, build), range(4)))
        assert len(made) == 1


@pytest.mark.parametrize("name", ["a?b", "50%", "%41", "a#b", "with space", "größe", "a%20b?c=d"])
def test_a_folders_name_keeps_the_database_inside(tmp_path: Path, name: str) -> None:
    """As SQLAlchemy reads it, which MLflow and Optuna open files by."""
    path = tmp_path / name / "mlflow.db"
    url = make_url(sqlite_url(path))
    assert url.database == str(path)
    assert url.get_backend_name() == "sqlite"
    assert not url.query


def test_the_tracker_of_a_folder_with_signs_of_urls_in_its_name_lies_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    root = tmp_path / "a?b %41#größe"
    sweep = filled(root, rates=(1e-3,))
    mirror = Mirror(sweep, "fake")
    assert mirror.catch_up() == 2
    mirror.attach({"front.json": b"{}"})
    StudyMirror(sweep, fake_spec()).catch_up()
    assert (root / "mlflow.db").stat().st_size > 0
    assert (root / "study.db").stat().st_size > 0
    assert len(list((root / "mlartifacts").rglob("*.json"))) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [root.name, "cwd"]
    assert not list((tmp_path / "cwd").iterdir())
    (_, children) = runs(sweep.mlflow_url)
    assert len(children) == 2


def test_an_unreadable_result_is_named(tmp_path: Path) -> None:
    sweep = filled(tmp_path)
    result = fake_result(replace(config(1e-3), base_dropout=0.5), 0)
    sweep.write(result)
    sweep.result_path(result.trial_id).write_text("{")
    with pytest.raises(StoreError, match=result.trial_id):
        Mirror(sweep, "fake").catch_up()


def test_a_percentile_has_metrics_of_its_own() -> None:
    result = fake_result(TrialConfig(), 0)
    by_block = replace(result.points[0], threshold=0.5, percentile=0.9, block_thresholds=(0.4, 0.6))
    metrics = final_metrics(replace(result, points=(*result.points, by_block)))
    assert metrics["threshold_p0.9/score"] == by_block.score.value
    assert metrics["threshold_0.5/score"] == result.points[2].score.value
    assert len(metrics) == len(final_metrics(result)) + 5

"""Where a study can be kept: each storage holds the same study, loses nothing that cannot be
rebuilt, and lets one driver in.
"""

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from getpass import getuser
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from deft_sweeps.errors import StoreError
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.results import SweepDir
from deft_sweeps.study.buffered import Buffered, flush
from deft_sweeps.study.lease import DRIVER, LEASE_SEC
from deft_sweeps.study.optuna_study import finished
from deft_sweeps.study.storage import check_reachable, kept_in, study_name
from tests.fakes import fake_spec, plain
from tests.played_search import play, states, trial_of


def spec_in(storage: str, trials: int = 6) -> SweepSpec:
    spec = fake_spec(trials, first=(plain(1e-3),))
    return replace(spec, search=Search(sampler="random", startup=4, seed=3, storage=storage))


SERVERS = ("postgresql", "mysql")


@pytest.fixture(
    params=[
        "sqlite",
        "journal",
        "url",
        *(pytest.param(name, marks=pytest.mark.slow) for name in SERVERS),
    ]
)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> SweepSpec:
    if request.param in SERVERS:
        return spec_in(request.getfixturevalue(request.param))
    return spec_in(
        f"sqlite:///{tmp_path / 'shared.db'}" if request.param == "url" else request.param
    )


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server: the one that DEFT_SWEEPS_TEST_POSTGRESQL names, else one of the test's own
    where this machine has the program.
    """
    if find_spec("psycopg") and "DEFT_SWEEPS_TEST_POSTGRESQL" in os.environ:
        yield os.environ["DEFT_SWEEPS_TEST_POSTGRESQL"]
        return
    if which("initdb") is None or find_spec("psycopg") is None or os.geteuid() == 0:
        pytest.skip("needs PostgreSQL's initdb, psycopg, and a user who is not root")
    folder = tmp_path_factory.mktemp("pg")
    subprocess.run(
        ["initdb", "-D", folder / "data", "-U", "sweep", "-A", "trust"],
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [
            "postgres",
            "-D",
            folder / "data",
            "-p",
            "54329",
            "-k",
            folder,
            "-c",
            "listen_addresses=127.0.0.1",
        ]
    )
    try:
        for _ in range(100):
            if (
                subprocess.run(
                    ["pg_isready", "-h", "127.0.0.1", "-p", "54329"],
                    check=False,
                    capture_output=True,
                ).returncode
                == 0
            ):
                break
            time.sleep(0.1)
        yield "postgresql://sweep:secret@127.0.0.1:54329/postgres"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server: the one that DEFT_SWEEPS_TEST_MYSQL names, else a MariaDB of the test's own
    where this machine has the program.
    """
    if find_spec("pymysql") and "DEFT_SWEEPS_TEST_MYSQL" in os.environ:
        yield os.environ["DEFT_SWEEPS_TEST_MYSQL"]
        return
    if which("mariadb-install-db") is None or find_spec("pymysql") is None:
        pytest.skip("needs MariaDB's server and pymysql")
    folder = tmp_path_factory.mktemp("my")
    own = ["--no-defaults", f"--user={getuser()}", f"--datadir={folder / 'data'}"]
    subprocess.run(
        ["mariadb-install-db", *own, "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
    )
    socket = f"--socket={folder / 's'}"
    server = subprocess.Popen(
        ["mariadbd", *own, socket, "--port=33069", "--bind-address=127.0.0.1"],
        stderr=subprocess.DEVNULL,
    )
    made = (
        "create database sweep; create user sweep@'127.0.0.1' identified by 'secret'; grant all on"
        " sweep.* to sweep@'127.0.0.1'"
    )
    try:
        for _ in range(100):
            client = ["mariadb", "--no-defaults", socket, "--user=root", f"--execute={made}"]
            if subprocess.run(client, check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        yield "mysql://sweep:secret@127.0.0.1:33069/sweep"
    finally:
        server.terminate()
        server.wait()


def test_every_storage_holds_the_same_study(spec: SweepSpec, tmp_path: Path) -> None:
    sweep, plainly = SweepDir(tmp_path / "a"), SweepDir(tmp_path / "b")
    ids: list[str] = []
    while len(ids) < 6:
        ids += play(StudySearcher(spec, sweep, target=6, first=spec.first), 2)
    assert ids == play(StudySearcher(spec_in("sqlite"), plainly, target=6, first=spec.first), 99)
    after = StudySearcher(spec, sweep, target=6)
    assert set(states(after)) == set(ids) == set(sweep.trial_ids())
    assert after.suggest("t") == "FINISHED"


def test_a_killed_driver_is_caught_up_with(spec: SweepSpec, tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path / "a")
    crashed = StudySearcher(spec, sweep, target=6)
    begun = [trial_of(crashed.suggest(f"t{i}")) for i in range(2)]
    after = StudySearcher(spec, sweep, target=6)
    assert [trial_of(after.suggest(f"t{i}")) for i in range(2)] == begun


def test_two_folders_have_studies_of_their_own(spec: SweepSpec, tmp_path: Path) -> None:
    a, b = SweepDir(tmp_path / "a"), SweepDir(tmp_path / "b")
    ids = play(StudySearcher(spec, a, target=3), 99)
    assert len(finished(StudySearcher(spec, b, target=3).study)) == 0
    assert set(states(StudySearcher(spec, a, target=3))) == set(ids)


def test_a_second_driver_of_a_study_is_refused_until_the_first_is_gone(
    spec: SweepSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the folder, or the same one on another machine: the folder's own lock cannot
    tell.
    """
    sweep = SweepDir(tmp_path / "a")
    first = StudySearcher(spec, sweep, target=6)
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    with pytest.raises(
        StoreError,
        match=(
            r"in use by another driver: .*/a on .*, process \d+, last heard of \d+ s ago; stop it"
        ),
    ):
        StudySearcher(spec, sweep, target=6)
    monkeypatch.undo()
    first.close()
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    StudySearcher(spec, sweep, target=6)
    monkeypatch.undo()
    with pytest.raises(StoreError, match=r"in use by another driver: .* on elsewhere"):
        StudySearcher(spec, sweep, target=6)


def test_a_driver_whose_study_was_taken_stops_and_a_stale_one_is_taken(tmp_path: Path) -> None:
    searcher = StudySearcher(spec_in("sqlite"), SweepDir(tmp_path), target=6)
    searcher.beat()
    held = searcher.study.user_attrs[DRIVER]
    searcher.study.set_user_attr(
        DRIVER, held | {"token": "other", "host": "elsewhere", "at": time.time() - LEASE_SEC - 1}
    )
    searcher._lease._beat_at = float("-inf")
    with pytest.raises(StoreError, match=r"was taken over by .* on elsewhere"):
        searcher.beat()
    assert (
        StudySearcher(spec_in("sqlite"), SweepDir(tmp_path), target=6).study.user_attrs[DRIVER][
            "token"
        ]
        != "other"
    )


@pytest.mark.parametrize(
    "error", [OSError("no space left"), StorageInternalError("the database is gone")]
)
def test_a_lease_that_cannot_be_renewed_for_now_is_no_reason_to_stop(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher = StudySearcher(spec_in("journal"), SweepDir(tmp_path), target=6)
    held = searcher.study.user_attrs[DRIVER]["at"]
    searcher._lease._beat_at = float("-inf")
    with monkeypatch.context() as full:
        full.setattr(JournalFileBackend, "append_logs", lambda *_: (_ for _ in ()).throw(error))
        searcher.beat()
    assert searcher.study.user_attrs[DRIVER]["at"] == held
    searcher.beat()
    assert searcher.study.user_attrs[DRIVER]["at"] > held, "tried again at once"


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
@pytest.mark.parametrize("damage", ["deleted", "garbage", "torn", "one page"])
def test_a_file_that_is_lost_or_damaged_is_built_anew_from_the_results(
    tmp_path: Path, storage: str, damage: str
) -> None:
    spec, sweep = spec_in(storage), SweepDir(tmp_path)
    before = StudySearcher(spec, sweep, target=6)
    ids = play(before, 4)
    before.close()  # Else a SQLite file is mended from its log.
    path = sweep.journal_path if storage == "journal" else tmp_path / "study.db"
    if damage == "deleted":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"this was a study once\n" * 200)
    elif storage == "sqlite":
        content = path.read_bytes()
        torn, page = (
            content[: len(content) // 2],
            content[: 4 * 4096] + os.urandom(4096) + content[5 * 4096 :],
        )
        path.write_bytes(torn if damage == "torn" else page)
    else:
        content = path.read_bytes()
        path.write_bytes(content[: content.rfind(b"\n", 0, len(content) - 1) + 20])
        path.with_name(f"{path.name}.lock").symlink_to("left-behind")
    after = StudySearcher(spec, sweep, target=6)
    assert set(states(after)) == set(ids)
    assert len(play(after, 99)) == 2
    # Of a torn journal all but its last line can be read; half a database is none.
    unreadable = damage == "garbage" or (damage in ("torn", "one page") and storage == "sqlite")
    assert path.with_name(f"{path.name}.broken").exists() == unreadable
    assert TrialState.RUNNING not in {t.state for t in after.study.trials}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+nosuch://sweep:hunter2@127.0.0.1:1/x", "cannot be used"),
        (
            "mysql://sweep:hunter2@127.0.0.1:1/x",
            "database driver of mysql is not installed; `pip install 'pymysql'` brings it",
        ),
        ("sqlite:////nowhere/at/all/study.db", "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_at_once_without_its_password(
    tmp_path: Path, url: str, told: str
) -> None:
    if "mysql" in url and find_spec("pymysql"):
        pytest.skip("the driver is installed")
    with pytest.raises(StoreError, match=r"search.storage: ") as caught:
        check_reachable(spec_in(url), SweepDir(tmp_path))
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_is_down_is_said_at_once(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match=r"cannot be used: .*[Cc]onnection") as caught:
        check_reachable(spec_in("postgresql://sweep:hunter2@127.0.0.1:1/x"), SweepDir(tmp_path))
    assert "hunter2" not in str(caught.value)


def test_the_name_in_a_shared_database_is_the_folders_own_and_stays(tmp_path: Path) -> None:
    url = "postgresql://x/y"
    a, b = SweepDir(tmp_path / "same"), SweepDir(tmp_path / "other" / "same")
    assert study_name(url, a) == study_name(url, a) != study_name(url, b)
    assert "same" in study_name(url, a)
    assert study_name("journal", a) == "sweep"


def test_a_long_search_takes_the_journal_unless_the_folder_has_a_file_already(
    tmp_path: Path,
) -> None:
    short, long = SweepDir(tmp_path / "short"), SweepDir(tmp_path / "long")
    assert kept_in(spec_in("auto", 1000), short) == "sqlite"
    assert kept_in(spec_in("auto", 1001), long) == "journal"
    play(StudySearcher(spec_in("auto"), short, target=2), 99)
    play(StudySearcher(spec_in("auto", 1001), long, target=2), 99)
    assert kept_in(spec_in("auto", 1001), short) == "sqlite"
    assert kept_in(spec_in("auto"), long) == "journal"


class Failing(InMemoryStorage):
    """Refuses a write of its own `at`, once, as a disk that was full does; or has it done, and the
    answer lost.
    """

    def __init__(self, at: int, *, done: bool) -> None:
        super().__init__()
        self.at, self.done, self.n_writes = at, done, 0

    def _write(self, write: Callable[[], Any]) -> Any:
        self.n_writes += 1
        failing = self.n_writes == self.at
        result = write() if self.done or not failing else None
        if failing:
            raise StorageInternalError("the disk is full")
        return result

    def create_new_trial(self, *args: Any, **kwargs: Any) -> int:
        return int(self._write(lambda: super(Failing, self).create_new_trial(*args, **kwargs)))

    def set_trial_user_attr(self, *args: Any, **kwargs: Any) -> None:
        self._write(lambda: super(Failing, self).set_trial_user_attr(*args, **kwargs))

    def set_trial_param(self, *args: Any, **kwargs: Any) -> None:
        self._write(lambda: super(Failing, self).set_trial_param(*args, **kwargs))

    def set_trial_state_values(self, *args: Any, **kwargs: Any) -> bool:
        return bool(
            self._write(lambda: super(Failing, self).set_trial_state_values(*args, **kwargs))
        )


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, 15))
def test_what_could_not_be_written_is_written_by_the_next_flush(at: int, done: bool) -> None:
    behind = Failing(at, done=done)
    optuna.create_study(storage=behind, study_name="s", directions=["maximize"])
    study = optuna.load_study(
        study_name="s", storage=Buffered(behind, "s"), sampler=RandomSampler(seed=0)
    )
    study.enqueue_trial({"x": 0.5})
    for i in range(3):
        with suppress(StorageInternalError):
            flush(study)
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.set_user_attr("trial_id", f"t{i}")
        with suppress(StorageInternalError):
            flush(study)
        trial.set_constraint("limit", 0.1 * i)
        study.tell(trial, 0.1 * i)
    with suppress(StorageInternalError):
        flush(study)
    flush(study)
    kept = {
        t.user_attrs["trial_id"]: t
        for t in optuna.load_study(study_name="s", storage=behind).trials
        if t.state.is_finished()
    }
    assert [kept[f"t{i}"].params for i in range(3)] == [trial.params for trial in study.trials]
    assert [kept[f"t{i}"].values for i in range(3)] == [[0.0], [0.1], [0.2]]
    assert [kept[f"t{i}"].constraints for i in range(3)] == [
        {"limit": 0.0},
        {"limit": 0.1},
        {"limit": 0.2},
    ]


def test_a_trial_whose_making_was_not_answered_is_there_once(tmp_path: Path) -> None:
    behind = Failing(1, done=True)
    optuna.create_study(storage=behind, study_name="s", directions=["maximize"])
    study = optuna.load_study(study_name="s", storage=Buffered(behind, "s"))
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("trial_id", "t")
    with pytest.raises(StorageInternalError):
        flush(study)
    flush(study)
    assert len(behind.get_all_trials(0)) == 2
    assert [t.state for t in Buffered(behind, "s").get_all_trials(0)] == [TrialState.RUNNING]
    study.tell(trial, 0.1)
    flush(study)
    assert [t.state for t in Buffered(behind, "s").get_all_trials(0)] == [TrialState.COMPLETE]


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.WAITING])
def test_a_trial_that_was_added_and_not_answered_is_there_once(state: TrialState) -> None:
    """Told of a result while it is rebuilt it would count twice; waiting, it would run twice. Two
    that are meant to be there stay two.
    """
    behind = Failing(1, done=True)
    optuna.create_study(storage=behind, study_name="s", directions=["maximize"])
    study = optuna.load_study(study_name="s", storage=Buffered(behind, "s"))
    for _ in range(2):
        if state == TrialState.COMPLETE:
            study.add_trial(
                create_trial(value=0.5, params={}, distributions={}, user_attrs={"trial_id": "t"})
            )
        else:
            study.enqueue_trial({"x": 0.5})
    with pytest.raises(StorageInternalError):
        flush(study)
    flush(study)
    assert len(behind.get_all_trials(0)) == 3
    after = optuna.load_study(study_name="s", storage=Buffered(behind, "s"))
    assert [t.state for t in after.trials] == [state, state]
    if state == TrialState.WAITING:
        after.ask()
        flush(after)
        assert [t.state for t in Buffered(behind, "s").get_all_trials(0)] == [
            TrialState.RUNNING,
            TrialState.WAITING,
        ]


def test_a_proposal_that_cannot_be_written_does_not_run_and_is_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    searcher = StudySearcher(
        spec_in("journal"), SweepDir(tmp_path), target=3, on_trouble=told.append
    )
    with monkeypatch.context() as full:
        full.setattr(
            JournalFileBackend,
            "append_logs",
            lambda *_: (_ for _ in ()).throw(OSError("no space left")),
        )
        assert searcher.suggest("a") is None
        assert searcher.running == ()
    assert "the study cannot be written, waiting: OSError: no space left" in told[0]
    wanted = searcher.study.trials[-1].user_attrs["trial_id"]
    config, seed = trial_of(searcher.suggest("b"))
    assert config.trial_id(seed) == wanted
    assert len(searcher.study.trials) == 1


def test_a_write_that_a_full_disk_cuts_short_costs_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: what fits is written, and then comes
    an error.
    """
    spec, sweep, troubles = spec_in("journal"), SweepDir(tmp_path), list[str]()
    searcher = StudySearcher(spec, sweep, target=6, on_trouble=troubles.append)
    running = [trial_of(searcher.suggest(name)) for name in "ab"]
    before, limits = sweep.journal_path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + 60, limits[1]))
    try:
        assert searcher.suggest("c") is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written, waiting" in troubles[0]
    running.append(trial_of(searcher.suggest("c")))
    searcher.close()
    after = StudySearcher(spec, sweep, target=6)
    assert [trial_of(after.suggest(name)) for name in "abc"] == running, (
        "what was under way goes on"
    )


def test_the_journal_is_lines_of_json(tmp_path: Path) -> None:
    play(StudySearcher(spec_in("journal"), SweepDir(tmp_path), target=2), 99)
    assert all(
        json.loads(line) for line in SweepDir(tmp_path).journal_path.read_text().splitlines()
    )
    assert not (tmp_path / "study.db").exists()

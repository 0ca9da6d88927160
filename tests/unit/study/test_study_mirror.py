"""The mirror of a study: in a file or a database, made for people, and made again if it is lost."""

import os
import sqlite3
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from getpass import getuser
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.study import Study
from optuna.trial import TrialState

from deft_sweeps.config.axes import Lora
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.errors import StoreError
from deft_sweeps.metrics import measured
from deft_sweeps.objective import parse_constraint
from deft_sweeps.result import CompleteTrial, FailedTrial, StoppedTrial
from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.specification.sweep_spec import SweepSpec
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.storage import check_reachable, study_name
from deft_sweeps.study.study_mirror import CHOSEN, ON_FRONT, StudyMirror
from tests.fakes import fake_result, fake_spec, plain
from tests.played_search import failed, play


def spec_in(storage: str, trials: int = 8) -> SweepSpec:
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


def url_of(spec: SweepSpec, sweep: SweepDir) -> str:
    """As a user gives it to Optuna."""
    drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
    scheme, _, rest = spec.search.storage.partition("://")
    return f"{drivers.get(scheme, scheme)}://{rest}" if rest else sweep.study_url


def mirrored(spec: SweepSpec, sweep: SweepDir) -> Study:
    """The study as a user loads it."""
    return optuna.load_study(study_name=study_name(spec, sweep), storage=url_of(spec, sweep))


def run(spec: SweepSpec, sweep: SweepDir, n: int = 8) -> list[str]:
    return play(StudySearcher(spec, sweep, target=n, first=spec.first), n)


def ids_in(study: Study) -> list[str]:
    return sorted(trial.user_attrs["trial_id"] for trial in study.trials)


def test_every_result_is_mirrored_once_and_trials_are_described_for_people(
    spec: SweepSpec, tmp_path: Path
) -> None:
    sweep = SweepDir(tmp_path / "a")
    ids = run(spec, sweep)
    assert StudyMirror(sweep, spec).catch_up() == 8
    again = StudyMirror(sweep, spec)
    assert (again.catch_up(), again.add(sweep.result(ids[0]))) == (0, False)
    study = mirrored(spec, sweep)
    assert study.study_name.startswith("fake")
    assert study.metric_names == ["score", "activation_density"]
    assert ids_in(study) == sorted(ids)
    for trial in study.trials:
        result = sweep.result(trial.user_attrs["trial_id"])
        assert isinstance(result, CompleteTrial)
        values = measured(result.point_at(0.01), result.cost)
        assert trial.values == [values["score"], values["activation_density"]]
        config = result.config
        expected = {
            "activation": config.activation,
            "density": config.density.kind,
            "quantization": config.quantization.kind,
            "training.learning_rate": config.training.learning_rate,
        }
        if config.density.kind == "loss":
            expected["density.weight"] = config.density.weight
        assert trial.params == pytest.approx(expected)
        assert trial.distributions["quantization"] == CategoricalDistribution(("none", "nf4"))
        assert trial.distributions["training.learning_rate"] == FloatDistribution(
            1e-4, 1e-2, log=True
        )
        assert trial.user_attrs["number"] == result.number


def test_a_new_result_is_added_by_itself(spec: SweepSpec, tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path / "a")
    sweep.root.mkdir()
    mirror = StudyMirror(sweep, spec)
    mirror.catch_up()
    (trial_id,) = run(spec, sweep, 1)
    assert mirror.add(sweep.result(trial_id))
    assert ids_in(mirrored(spec, sweep)) == [trial_id]


def test_failed_and_stopped_trials_and_limits_are_optunas(tmp_path: Path) -> None:
    spec = replace(
        spec_in("auto"),
        limits=(
            parse_constraint("weight_bytes <= 200"),
            parse_constraint("score >= baseline(peft) - 0.5"),
        ),
    )
    sweep = SweepDir(tmp_path)
    searcher = StudySearcher(spec, sweep, target=6, first=spec.first)
    play(searcher, 4)
    play(searcher, 1, failed)
    searcher.suggest("stopped")
    searcher.on_trial_complete("stopped", {})
    StudyMirror(sweep, spec).catch_up()
    in_memory = {
        t.user_attrs["trial_id"]: t.constraints
        for t in searcher.study.trials
        if "trial_id" in t.user_attrs
    }
    states = {
        CompleteTrial: TrialState.COMPLETE,
        FailedTrial: TrialState.FAIL,
        StoppedTrial: TrialState.PRUNED,
    }
    seen = set()
    for trial in mirrored(spec, sweep).trials:
        result = sweep.result(trial.user_attrs["trial_id"])
        seen.add(trial.state)
        assert trial.state == states[type(result)]
        assert trial.constraints == in_memory[result.trial_id], "as the search judged it"
        if isinstance(result, FailedTrial):
            assert trial.user_attrs["error"] == "no"
    assert seen == set(states.values())


def test_importances_name_the_axes(tmp_path: Path) -> None:
    """On the made surface `relu` halves the density and 4-bit only costs a little score."""
    spec, sweep = spec_in("auto", 60), SweepDir(tmp_path)
    run(spec, sweep, 60)
    StudyMirror(sweep, spec).catch_up()
    study = mirrored(spec, sweep)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importances = optuna.importance.get_param_importances(
            study, target=lambda trial: trial.values[1]
        )
    axes = {"activation", "density", "density.weight", "quantization", "training.learning_rate"}
    assert set(importances) == axes
    assert importances["activation"] > importances["quantization"]


def test_front_and_choice_are_marked_and_marked_anew(spec: SweepSpec, tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path / "a")
    ids = run(spec, sweep, 3)
    StudyMirror(sweep, spec).tag(ids[:2], ids[0])

    def marked() -> dict[str, tuple[bool, bool]]:
        trials = mirrored(spec, sweep).trials
        return {
            t.user_attrs["trial_id"]: (t.user_attrs[ON_FRONT], t.user_attrs[CHOSEN]) for t in trials
        }

    assert marked() == {ids[0]: (True, True), ids[1]: (True, False), ids[2]: (False, False)}
    StudyMirror(sweep, spec).tag(ids[1:], ids[2])
    assert marked() == {ids[0]: (False, False), ids[1]: (True, False), ids[2]: (True, True)}


def test_two_folders_have_studies_of_their_own(spec: SweepSpec, tmp_path: Path) -> None:
    a, b = SweepDir(tmp_path / "a"), SweepDir(tmp_path / "b")
    ids = run(spec, a, 3)
    b.root.mkdir()
    StudyMirror(a, spec).catch_up()
    StudyMirror(b, spec).catch_up()
    assert ids_in(mirrored(spec, a)) == sorted(ids)
    assert ids_in(mirrored(spec, b)) == []


@pytest.mark.parametrize("damage", ["deleted", "garbage", "torn", "one page"])
def test_a_file_that_is_lost_or_damaged_is_made_anew_from_the_results(
    tmp_path: Path, damage: str
) -> None:
    spec, sweep = spec_in("auto"), SweepDir(tmp_path)
    ids = run(spec, sweep, 4)
    before = StudyMirror(sweep, spec)
    before.catch_up()
    before.close()  # Else SQLite repairs the file from its log.
    path = sweep.study_path
    content = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"this was a study once\n" * 200)
    else:
        page = content[: 4 * 4096] + os.urandom(4096) + content[5 * 4096 :]
        path.write_bytes(content[: len(content) // 2] if damage == "torn" else page)
    StudyMirror(sweep, spec).catch_up()
    assert ids_in(mirrored(spec, sweep)) == sorted(ids)
    assert path.with_name("study.db.broken").exists() == (damage != "deleted")
    assert len(play(StudySearcher(spec, sweep, target=6), 99)) == 2


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trial_params SET distribution_json = 'x'",
        "UPDATE trials SET state = 'nothing'",
        "UPDATE trials SET datetime_complete = 'never'",
        "UPDATE trial_user_attributes SET value_json = '{'",
        "UPDATE trial_user_attributes SET value_json = '[]' WHERE key = 'trial_id'",
        "UPDATE studies SET study_name = 'x'",
        "UPDATE version_info SET schema_version = -1",
        "DROP TABLE trial_values",
    ],
)
def test_a_study_with_wrong_values_is_set_aside_and_made_anew(tmp_path: Path, change: str) -> None:
    spec, sweep = spec_in("auto"), SweepDir(tmp_path)
    ids = run(spec, sweep, 2)
    before = StudyMirror(sweep, spec)
    before.catch_up()
    before.close()
    with closing(sqlite3.connect(sweep.study_path)) as file:
        file.execute(change)
        file.commit()
    StudyMirror(sweep, spec).catch_up()
    assert ids_in(mirrored(spec, sweep)) == sorted(ids)


@pytest.mark.parametrize(
    "change", ["result gone", "space", "limits", "foreign trial", "trial twice", "old study"]
)
def test_a_mirror_that_is_not_of_these_results_is_made_anew(tmp_path: Path, change: str) -> None:
    spec, sweep = spec_in("auto"), SweepDir(tmp_path)
    ids = run(spec, sweep, 4)
    StudyMirror(sweep, spec).catch_up()
    if change == "result gone":
        sweep.result_path(ids.pop()).unlink()
    elif change == "space":
        spec = replace(spec, combinations=spec.combinations[:4])
        ids = [r.trial_id for r in sweep.results() if spec.locate(r.config)]
    elif change == "limits":
        spec = replace(spec, limits=(parse_constraint("weight_bytes <= 200"),))
    elif change == "foreign trial":
        mirrored(spec, sweep).ask()
    elif change == "trial twice":
        study = mirrored(spec, sweep)
        study.add_trial(study.trials[0])
    else:
        optuna.create_study(study_name="sweep", storage=sweep.study_url)
    StudyMirror(sweep, spec).catch_up()
    study = mirrored(spec, sweep)
    assert ids_in(study) == sorted(ids)
    assert optuna.get_all_study_names(sweep.study_url) == ["fake"]
    assert {tuple(trial.constraints) for trial in study.trials} == {
        tuple(str(limit) for limit in spec.limits)
    }


def test_a_setting_that_two_members_share_or_that_only_templates_vary_has_a_parameter(
    tmp_path: Path,
) -> None:
    """Two LoRA of fixed ranks differ in `peft.r`; a tuple is shown as text."""
    base = spec_in("auto")
    loras = (Lora(r=4), Lora(r=8, targets=("q",)))
    pairs = zip(base.combinations, loras * 4, strict=True)
    combinations = tuple(replace(c, template=replace(c.template, peft=lora)) for c, lora in pairs)
    spec, sweep = replace(base, combinations=combinations, first=()), SweepDir(tmp_path)
    run(spec, sweep, 6)
    StudyMirror(sweep, spec).catch_up()
    for trial in mirrored(spec, sweep).trials:
        peft = sweep.result(trial.user_attrs["trial_id"]).config.peft
        assert isinstance(peft, Lora)
        assert (trial.params["peft.r"], trial.params["peft.targets"]) == (
            peft.r,
            ", ".join(peft.targets),
        )


def test_a_mirror_that_fails_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, sweep = spec_in("auto"), SweepDir(tmp_path)
    ids = run(spec, sweep, 2)
    mirror = StudyMirror(sweep, spec)

    def fails(*_: object) -> None:
        raise RuntimeError("connection lost to postgresql://ann:hunter2@host/db")

    with monkeypatch.context() as down:
        down.setattr(Study, "add_trial", fails)
        with pytest.raises(
            StoreError, match=r"the Optuna study at .*study\.db: RuntimeError: connection lost"
        ) as caught:
            mirror.catch_up()
    assert "hunter2" not in str(caught.value)
    assert mirror.add(fake_result(config_of(sweep, ids[0]), 0)) is False, (
        "caught up with on the way"
    )
    assert ids_in(mirrored(spec, sweep)) == sorted(ids)


def config_of(sweep: SweepDir, trial_id: str) -> TrialConfig:
    return sweep.result(trial_id).config


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+nosuch://sweep:hunter2@127.0.0.1:1/x", "cannot be used"),
        (
            "mysql://sweep:hunter2@127.0.0.1:1/x",
            'database driver of mysql is not installed; type: pip install "deft-sweeps[mysql]"',
        ),
        ("sqlite:////nowhere/at/all/study.db", "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_at_once_without_its_password(
    tmp_path: Path, url: str, message: str
) -> None:
    if "mysql" in url and find_spec("pymysql"):
        pytest.skip("the driver is installed")
    with pytest.raises(StoreError, match=r"search.storage: ") as caught:
        check_reachable(spec_in(url), SweepDir(tmp_path))
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_is_down_is_said_at_once(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match=r"cannot be used: .*[Cc]onnection") as caught:
        check_reachable(spec_in("postgresql://sweep:hunter2@127.0.0.1:1/x"), SweepDir(tmp_path))
    assert "hunter2" not in str(caught.value)


def test_the_name_in_a_shared_database_is_the_folders_own_and_stays(tmp_path: Path) -> None:
    spec = spec_in("postgresql://x/y")
    a, b = SweepDir(tmp_path / "same"), SweepDir(tmp_path / "other" / "same")
    assert study_name(spec, a) == study_name(spec, a) != study_name(spec, b)
    assert study_name(spec, a).startswith("fake (")
    assert study_name(spec_in("sqlite"), a) == "fake"

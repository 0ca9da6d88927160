"""recover-spec on the database in a sweep's folder; tests/servers has a server."""

from pathlib import Path

import pytest

from deft_sweeps.cli.guard import BAD_INPUT
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.sweep_dir import SweepDir
from tests.cli_call import call
from tests.searched_folder import YAML, search

SECRET = "search.storage is postgresql://ann:hunter2@db/x"


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> SweepDir:
    """A sweep whose YAML names a password in a comment, mirrored into its own database."""
    sweep, spec = search(tmp_path_factory.mktemp("mirrored"), 3, f"{YAML}# {SECRET}\n")
    Mirror(sweep, spec.name).catch_up()
    return sweep


def test_the_yaml_comes_back_without_its_secrets_and_gives_an_equal_spec(
    mirrored: SweepDir, tmp_path: Path
) -> None:
    again = tmp_path / "again.yaml"
    done = call("recover-spec", "searched", "--tracking-uri", mirrored.mlflow_url, "-o", again)
    assert done.exit_code == 0, done.output
    assert again.read_text() == mirrored.spec_path.read_text().replace("ann:hunter2", "***")
    assert "put yours in place of ***" in done.stderr
    assert f"they started from {mirrored.root}" in done.stderr
    (first,), (second,) = load_parts(mirrored.spec_path), load_parts(again)
    assert first.spec == second.spec
    done = call("recover-spec", "searched", "--tracking-uri", mirrored.mlflow_url, "-o", again)
    assert done.exit_code == BAD_INPUT
    assert "exists already" in done.stderr


def test_what_is_missing_is_said(
    mirrored: SweepDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = call("recover-spec", "searched")
    assert done.exit_code == BAD_INPUT
    assert "--tracking-uri: missing" in done.stderr
    done = call("recover-spec", "other", "--tracking-uri", mirrored.mlflow_url)
    assert done.exit_code == BAD_INPUT
    assert "there is no sweep other" in done.stderr
    done = call("recover-spec", "other", "--tracking-uri", f"sqlite:///{tmp_path / 'no.db'}")
    assert done.exit_code == BAD_INPUT
    assert f"there is no {tmp_path / 'no.db'}" in done.stderr
    assert not (tmp_path / "no.db").exists()

"""What workers need of the driver's environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ray import cloudpickle

from deft_sweeps.sweep.worker_settings import ShippedCall, call, shipped, worker_settings

SECRET = "hf_notARealTokenButLongEnough"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("HF_", "DEFT_SWEEPS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_only_what_is_set_travels_and_folders_in_full(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert worker_settings() == {}
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", "cache")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("HF_HOME", "")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "the workers do not ask the tracker")
    monkeypatch.setenv("DEFT_SWEEPS_BASES_LIMIT", "20 GiB")
    assert worker_settings() == {
        "DEFT_SWEEPS_CACHE": str(tmp_path / "cache"),
        "DEFT_SWEEPS_BASES_LIMIT": "20 GiB",
        "HF_TOKEN": SECRET,
    }


def test_no_secret_is_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert SECRET not in repr(shipped(os.getpid))


def test_a_library_that_is_imported_for_the_call_sees_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The function's module reads the variable when it is imported, as the hub's client does."""
    (tmp_path / "reads_home.py").write_text(
        "import os\nHOME = os.environ.get('HF_HOME')\ndef home(): return HOME\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HF_HOME", "/shared/hub")
    from reads_home import home  # type: ignore[import-not-found]

    pickled = cloudpickle.dumps((call, shipped(home)))
    code = (
        f"import pickle; function, argument = pickle.loads({pickled!r}); print(function(argument))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HF_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "/shared/hub", done.stderr


def test_a_call_gives_what_its_function_gives() -> None:
    assert call(ShippedCall({}, cloudpickle.dumps((max, (1, 3, 2))))) == 3

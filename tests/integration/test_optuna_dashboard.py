"""Optuna Dashboard, in an environment of its own, on the mirror of a sweep."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from deft_sweeps.search.searcher import StudySearcher
from deft_sweeps.specification.search_settings import Search
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.study.study_mirror import StudyMirror
from tests.fakes import fake_spec
from tests.played_search import play

pytestmark = pytest.mark.slow


@pytest.fixture
def dashboard(request: pytest.FixtureRequest) -> Path:
    """The program, installed once; its environment lies in pytest's cache."""
    assert request.config.cache is not None
    folder = Path(request.config.cache.mkdir("optuna-dashboard")) / "venv"
    program = folder / "bin" / "optuna-dashboard"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = str(folder / "bin" / "pip")
        install = [pip, "install", "--quiet", "optuna-dashboard", "optuna>=5"]
        installed = subprocess.run(install, capture_output=True, text=True, check=False)
        if installed.returncode != 0:
            pytest.skip(f"Optuna Dashboard cannot be installed: {installed.stderr[-300:]}")
    return program


@pytest.fixture
def api(dashboard: Path, tmp_path: Path) -> Iterator[str]:
    """Address of the dashboard's API on a sweep of 60 trials, two of them marked."""
    spec = fake_spec(60, search=Search(sampler="random", seed=3))
    sweep = SweepDir(tmp_path)
    ids = play(StudySearcher(spec, sweep, target=60), 60)
    StudyMirror(sweep, spec).tag(ids[:2], ids[0])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(dashboard), "--host", "127.0.0.1", "--port", str(port), sweep.study_url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.terminate()
        process.wait()


def read(address: str) -> dict[str, Any]:
    """What the API answers, once it is up."""
    for _ in range(300):
        try:
            with urlopen(address) as answer:
                answered: dict[str, Any] = json.load(answer)
                return answered
        except URLError:
            time.sleep(0.2)
    pytest.fail(f"{address} does not answer")


def test_it_opens_the_mirror_and_its_importances_name_the_axes(api: str) -> None:
    (summary,) = read(f"{api}/studies")["study_summaries"]
    assert summary["study_name"] == "fake"
    number = summary["study_id"]
    study = read(f"{api}/studies/{number}?after=0")
    assert study["objective_names" if "objective_names" in study else "metric_names"] == [
        "score",
        "activation_density",
    ]
    assert len(study["trials"]) == 60
    tags = [{a["key"]: a["value"] for a in trial["user_attrs"]} for trial in study["trials"]]
    assert sum(tag["on_front"].lower() == "true" for tag in tags) == 2
    assert sum(tag["chosen"].lower() == "true" for tag in tags) == 1
    per_objective = read(f"{api}/studies/{number}/param_importances")["param_importances"]
    assert len(per_objective) == 2
    names = {row["name"] for row in per_objective[1]}
    assert {"activation", "density", "quantization", "training.learning_rate"} <= names

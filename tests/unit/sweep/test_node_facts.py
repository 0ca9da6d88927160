"""What a node says of itself, also from a process without this package."""

import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from ray import cloudpickle

from deft_sweeps.sweep import node_watch
from deft_sweeps.sweep.node_check import LIBRARIES, PACKAGE, NodeFacts
from deft_sweeps.sweep.node_facts import gather_facts
from tests.fakes import fake_gpu_driver
from tests.hidden_packages import without


def facts(marker: Path | None = None, reply: Path | None = None) -> NodeFacts:
    return NodeFacts(**gather_facts(PACKAGE, LIBRARIES, marker, reply))


def test_this_process_describes_itself() -> None:
    here = facts()
    assert here.versions["Python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert here.versions["deft-sweeps"] == version("deft-sweeps")
    assert here.versions["torch"] == version("torch")
    assert abs(here.clock - time.time()) < 60
    assert here.folder_problem is None


def test_a_process_without_the_package_answers_as_well() -> None:
    assert node_watch, "it has the module shipped by value"
    pickled = cloudpickle.dumps((gather_facts, (PACKAGE, ("ray", "no-such-thing"), None, None)))
    code = (
        "import pickle\n"
        f"function, arguments = pickle.loads({pickled!r})\n"
        "facts = function(*arguments)\n"
        "print(facts['versions'], facts['source'] or 'no source')"
    )
    done = without(("deft_sweeps",), code)
    assert done.returncode == 0, done.stderr
    assert "'deft-sweeps': None" in done.stdout
    assert f"'ray': '{version('ray')}'" in done.stdout
    assert "'no-such-thing': None" in done.stdout
    assert "no source" in done.stdout


def test_the_source_is_the_same_wherever_it_lies_and_another_once_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(folder: str, text: str) -> str:
        package = tmp_path / folder / "some_package"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "module.py").write_text(text)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(package.parent))
            digest = gather_facts("some_package", (), None, None)["source"]
        assert isinstance(digest, str)
        return digest

    assert source("one", "a = 1") == source("two", "a = 1") != source("two", "a = 2")


def test_an_empty_folder_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as an editable installation whose folder is not mounted."""
    (tmp_path / "emptied_package").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    described = gather_facts("emptied_package", (), None, None)
    assert described["versions"]["emptied-package"] is None
    assert described["source"] == ""


def test_the_sweeps_folder_is_looked_for_and_written(tmp_path: Path) -> None:
    marker, reply = tmp_path / "sweep" / "marker", tmp_path / "sweep" / "reply"
    assert facts(marker, reply).folder_problem == "absent"
    marker.parent.mkdir()
    assert facts(marker, reply).folder_problem == "another"
    marker.touch()
    assert facts(marker, reply).folder_problem == ""
    assert reply.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; tests/hosts has mounts")
def test_a_folder_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    tmp_path.chmod(0o500)
    assert facts(marker, tmp_path / "reply").folder_problem == "Permission denied"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("81559, Disabled\n40960, Disabled\n", 40960 * 2**20),
        ("16384, [N/A]\n", 16384 * 2**20),
        ("81559, Disabled\n81559, Enabled\n", None),
        ("[N/A], [N/A]\n", None),
        ("No devices were found\n", None),
        ("", None),
    ],
)
def test_the_smallest_gpu_counts_unless_gpus_are_cut_into_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: int | None
) -> None:
    assert facts().gpu_bytes is None or os.path.exists("/dev/nvidia0")
    fake_gpu_driver(tmp_path, answer)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert facts().gpu_bytes == expected

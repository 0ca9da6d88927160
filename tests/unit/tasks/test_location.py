from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.config.data import FileTask, GlueTask, PackagedTask, SquadTask
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.tasks.location import located, located_model, written_paths


def test_paths_start_from_the_folder_and_the_id_stays(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    task = FileTask(path="a.csv", validation_path="../v.csv", test_path="/data/t.csv")
    config = TrialConfig(model="models/mine", task=task)
    readable = located(config, str(tmp_path))
    assert readable.model == str(tmp_path / "models" / "mine")
    assert readable.task == replace(
        task, path=str(tmp_path / "a.csv"), validation_path=f"{tmp_path}/../v.csv"
    )
    assert located(config, "") is config
    # What is written is the name; moved with its folder, a configuration keeps it.
    assert (config.model, config.task) == ("models/mine", task)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (GlueTask(name="rte", folder="glue"), "/here/glue"),
        (SquadTask(folder="squad"), "/here/squad"),
        (SquadTask(folder="/squad"), "/squad"),
        (SquadTask(), None),
    ],
)
def test_folders_of_data(task: GlueTask | SquadTask, expected: str | None) -> None:
    read = located(TrialConfig(task=task), "/here").task
    assert isinstance(read, GlueTask | SquadTask)
    assert read.folder == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("google/flan-t5-base", "google/flan-t5-base"),
        ("packaged/flan-t5-small-title", "packaged/flan-t5-small-title"),
        ("./mine", "/here/./mine"),
        ("../mine", "/here/../mine"),
        ("a/b/c", "/here/a/b/c"),
        ("/models/mine", "/models/mine"),
    ],
)
def test_a_model_is_a_folder_or_a_name(name: str, expected: str) -> None:
    assert located_model(name, "/here") == expected
    assert located_model(name, "") == name


def test_home_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    task = located(TrialConfig(task=FileTask(path="~/a.csv")), "/here").task
    assert isinstance(task, FileTask)
    assert task.path == "/home/me/a.csv"
    assert written_paths(TrialConfig(task=FileTask(path="~/a.csv")), "/here") == []
    assert written_paths(TrialConfig(task=PackagedTask()), "/here") == []


def test_what_only_the_working_directory_has_and_what_both_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, work = tmp_path / "specs", tmp_path / "work"
    for folder in (spec, work):
        folder.mkdir()
        (folder / "both.csv").touch()
    (work / "a.csv").touch()
    (spec / "link.csv").symlink_to(work / "link.csv")
    (work / "link.csv").touch()
    monkeypatch.chdir(work)
    task = FileTask(path="a.csv", validation_path="both.csv", test_path="link.csv")
    paths = {path.path: path for path in written_paths(TrialConfig(task=task), str(spec))}
    assert [name for name, path in paths.items() if path.is_misplaced] == ["a.csv"]
    assert [name for name, path in paths.items() if path.is_ambiguous] == ["both.csv"]
    assert paths["a.csv"].setting == ("task", "path")

from pathlib import Path

import pytest

from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.spec_origin import spec_folder, write_origin
from deft_sweeps.store.sweep_dir import SweepDir


def test_a_specs_paths_start_from_its_own_folder(tmp_path: Path) -> None:
    assert spec_folder(tmp_path / "a.yaml") == tmp_path
    assert spec_folder(tmp_path / "spec.yaml") == tmp_path


def test_a_copy_in_a_sweeps_folder_remembers_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    sweep = SweepDir(project / "runs" / "one")
    sweep.write_spec(b"name: x\n")
    write_origin(sweep, str(project))
    monkeypatch.chdir(tmp_path)
    assert spec_folder(sweep.spec_path) == project
    assert spec_folder(Path("project/runs/one/spec.yaml")) == project
    written = sweep.origin_path.stat().st_mtime_ns
    write_origin(sweep, str(project))
    assert sweep.origin_path.stat().st_mtime_ns == written
    # Moved together, or alone.
    moved = project.rename(tmp_path / "moved")
    assert spec_folder(moved / "runs" / "one" / "spec.yaml") == moved
    project.mkdir()
    assert spec_folder(moved / "runs" / "one" / "spec.yaml") == project


def test_a_folder_of_an_earlier_version_goes_on_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = SweepDir(tmp_path / "runs" / "one")
    sweep.write_spec(b"name: x\n")
    sweep.write_note(DriverNote(1, 0.0, 0.0, 1, (), "interrupted", None))
    monkeypatch.chdir(tmp_path)
    assert spec_folder(sweep.spec_path) == tmp_path
    sweep.origin_path.write_text("[")
    assert spec_folder(sweep.spec_path) == tmp_path

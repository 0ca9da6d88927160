import hashlib
import shutil
from pathlib import Path

import pytest

from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.sweep_identity import sweep_id


def on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process' host has another name from now on."""
    monkeypatch.setattr("platform.node", lambda: name)


def test_an_id_is_made_once_and_is_the_same_on_every_host_and_after_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = SweepDir(tmp_path / "one")
    made = sweep_id(sweep)
    assert len(made) == 16
    int(made, 16)
    on("another-head", monkeypatch)
    assert sweep_id(sweep) == made
    moved = SweepDir(sweep.root.rename(tmp_path / "moved"))
    assert sweep_id(moved) == made
    assert sweep_id(SweepDir(tmp_path / "another")) != made


def test_the_same_folder_under_another_path_is_no_copy(tmp_path: Path) -> None:
    """Hosts may mount a drive at two places, and one of them at both."""
    sweep = SweepDir(tmp_path / "drive" / "one")
    made = sweep_id(sweep)
    (tmp_path / "mounted").symlink_to(tmp_path / "drive")
    record = sweep.identity_path.read_text()
    sweep.identity_path.write_text(record.replace("/drive/", "/mounted/"))
    assert sweep_id(sweep) == made
    assert sweep.identity_path.read_text() == record


def test_a_copy_is_another_sweep_while_its_original_is_there(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path / "one")
    made = sweep_id(sweep)
    for name in ("copy", "backup"):
        shutil.copytree(sweep.root, tmp_path / name)
    copied = sweep_id(SweepDir(tmp_path / "copy"))
    assert copied != made
    assert sweep_id(SweepDir(tmp_path / "copy")) == copied
    assert sweep_id(sweep) == made
    shutil.rmtree(sweep.root)
    assert sweep_id(SweepDir(tmp_path / "backup")) == made


def test_an_earlier_versions_folder_keeps_what_its_sweep_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("head", monkeypatch)
    sweep = SweepDir(tmp_path / "one")
    sweep.write_note(DriverNote(1, 0.0, 0.0, 1, (), "interrupted", None))
    former = hashlib.sha256(f"head:{sweep.root.resolve()}".encode()).hexdigest()[:16]
    assert sweep_id(sweep) == former
    on("another-head", monkeypatch)
    assert sweep_id(sweep) == former


def test_a_damaged_record_is_replaced(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    sweep.identity_path.write_bytes(b"{")
    made = sweep_id(sweep)
    assert sweep_id(sweep) == made

from pathlib import Path

import pytest

from deft_sweeps.cache import cache_folder, file_stamp


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("DEFT_SWEEPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "deft_sweeps"


def test_a_stamp_tells_a_changed_or_replaced_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    stamps = [file_stamp(path), file_stamp(path)]
    path.write_text("two")
    stamps.append(file_stamp(path))
    (tmp_path / "b").write_text("two")
    (tmp_path / "b").rename(path)
    stamps.append(file_stamp(path))
    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 3

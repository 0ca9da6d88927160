"""A home folder that cannot be written to is named before anything starts."""

from pathlib import Path

import pytest

from deft_sweeps.errors import ConfigError
from deft_sweeps.sweep.cache_check import require_writable_cache


def test_a_missing_cache_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFT_SWEEPS_CACHE", str(tmp_path / "a" / "b"))
    require_writable_cache()
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("home", ["/proc", "/sys/kernel", "{file}"])
def test_an_unwritable_home_is_named_with_the_fix(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may not write to the first two either."""
    (tmp_path / "file").touch()
    for name in ("DEFT_SWEEPS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = home.format(file=tmp_path / "file")
    monkeypatch.setenv("HOME", folder)
    with pytest.raises(ConfigError) as refused:
        require_writable_cache()
    (problem,) = refused.value.problems
    assert f"the cache folder {folder}/.cache/deft_sweeps cannot be written to" in str(problem)
    assert "set DEFT_SWEEPS_CACHE, or HOME, to a folder" in str(problem)

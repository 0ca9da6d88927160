import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deft_sweeps.sweep import scratch_folder

HOLD = """
import sys
from pathlib import Path
from deft_sweeps.sweep import scratch_folder
scratch_folder.short_temporary_folder = lambda: sys.argv[1]
with scratch_folder.scratch_folder() as path:
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scratch_folder, "short_temporary_folder", lambda: str(tmp_path))
    return tmp_path


@contextmanager
def another_driver(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Another process with a scratch folder, and that folder."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_a_scratch_folder_is_this_users_alone_and_is_gone_afterwards(folder: Path) -> None:
    with scratch_folder.scratch_folder() as path:
        (path / "ray").mkdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert path.parent == folder
    assert list(folder.iterdir()) == []


def test_folders_of_killed_drivers_are_removed_and_others_stay(folder: Path) -> None:
    for name in ("deft-notes-abc", "other"):
        (folder / name / "session").mkdir(parents=True)
    # As seen from another container: a process of that number lives here, or does not.
    for pid in (os.getpid(), 4194303):
        (folder / f"deft-{pid}-abc" / "session").mkdir(parents=True)
    with another_driver(folder) as (process, held), scratch_folder.scratch_folder() as own:
        names = {path.name for path in folder.iterdir()}
        assert names == {"deft-notes-abc", "other", held.name, own.name}
        process.kill()
        process.wait()
        assert held.is_dir()
        with scratch_folder.scratch_folder():
            assert not held.exists()


def test_a_link_in_the_place_of_a_folder_is_not_followed(folder: Path) -> None:
    """Everyone may plant one there."""
    (folder / "mine").mkdir()
    (folder / "deft-1-abc").symlink_to(folder / "mine")
    with scratch_folder.scratch_folder():
        assert (folder / "mine").is_dir()


def test_a_new_folder_that_was_taken_for_stale_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another driver looks for stale folders between the making and the lock."""
    made = tempfile.mkdtemp
    removed: list[str] = []

    def removed_at_once(**settings: str) -> str:
        path = made(**settings)
        if not removed:
            removed.append(path)
            os.rmdir(path)
        return path

    monkeypatch.setattr(tempfile, "mkdtemp", removed_at_once)
    with scratch_folder.scratch_folder() as path:
        assert path.is_dir()
        assert len(removed) == 1


def test_a_long_temporary_folder_is_not_used_for_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 90)
    assert scratch_folder.short_temporary_folder() == "/tmp"


def test_a_sockets_path_is_short_enough_in_the_longest_temporary_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used = []
    for length in range(5, 100):
        monkeypatch.setattr(tempfile, "tempdir", "/tmp/".ljust(length, "x"))
        used.append(scratch_folder.short_temporary_folder())
    longest_pid = "4194304"  # Of Linux.
    session = f"session_2026-11-27_08-47-02_888921_{longest_pid}/sockets/plasma_store"
    paths = [f"{folder}/deft-{longest_pid}-abcdefgh/ray/{session}" for folder in used]
    assert max(map(len, paths)) == 107

"""Workers of a node load libraries in turns."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from deft_sweeps.sweep.loading_turn import loading_turn, turns_folder

HOLD = """
import sys, time
from pathlib import Path
from deft_sweeps.sweep.loading_turn import loading_turn

folder, begun = Path(sys.argv[1]), Path(sys.argv[2])
with loading_turn(folder, 1) as held:
    begun.write_text(str(held))
    time.sleep(600)
"""


def test_a_turn_is_given_to_so_many_and_given_back(tmp_path: Path) -> None:
    with (
        loading_turn(tmp_path, 2) as first,
        loading_turn(tmp_path, 2) as second,
        loading_turn(tmp_path, 2, patience_sec=0.0) as third,
    ):
        assert (first, second, third) == (True, True, False)
    with loading_turn(tmp_path, 2, patience_sec=0.0) as again:
        assert again


def test_the_turn_of_a_killed_process_is_free(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), str(begun)])
    try:
        until = time.monotonic() + 120
        while not begun.exists() or not begun.read_text():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        with loading_turn(tmp_path, 1, patience_sec=0.0) as held:
            assert not held
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with loading_turn(tmp_path, 1) as held:
            assert held
    finally:
        process.kill()


def test_nobody_waits_where_there_is_no_folder_or_it_cannot_be_written(tmp_path: Path) -> None:
    missing = tmp_path / "file" / "inside"
    (tmp_path / "file").write_text("")
    for folder in (None, missing):
        with loading_turn(folder, 1) as held:
            assert not held


def test_the_folder_of_the_turns_is_the_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    folder = turns_folder()
    assert folder is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert turns_folder() == folder
    folder.chmod(0o777)
    assert turns_folder() is None, "somebody else may have put links there"
    folder.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    assert turns_folder() is None

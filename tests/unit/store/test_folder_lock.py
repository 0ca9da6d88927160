"""Holders are processes of their own; what their note says is written here."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.errors import StoreError
from deft_sweeps.store import folder_lock
from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir

HOLD = """
import sys, pathlib
from deft_sweeps.store.sweep_dir import SweepDir
with SweepDir(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""
NOTE = DriverNote(os.getpid(), 1e9, 1e9, 8, (), "searching", None, host="another-head")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "POLL_SEC", 0.05)
    monkeypatch.setattr(folder_lock, "SILENT_SEC", 0.1)


@contextmanager
def held(sweep: SweepDir) -> Iterator["subprocess.Popen[str]"]:
    """Another process holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(sweep.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        try:
            yield process
        finally:
            process.kill()


def refused_after(sweep: SweepDir) -> float:
    """Seconds until a second driver is refused."""
    began = time.monotonic()
    what = r"in use by another driver \(process \d+ on .*\); wait"
    with pytest.raises(StoreError, match=what), sweep.lock():
        pass
    return time.monotonic() - began


def test_the_lock_of_a_silent_driver_on_another_host_is_waited_for(tmp_path: Path) -> None:
    sweep, said = SweepDir(tmp_path), list[str]()
    sweep.write_note(NOTE)
    with held(sweep) as process:

        def say(sentence: str) -> None:
            said.append(sentence)
            process.kill()  # A server frees the lock of a host that is gone.

        with sweep.lock(say):
            assert len(said) == 1
    assert said[0].startswith("waiting up to 120 s for the lock of another driver (process")
    assert "on another-head), which is silent" in said[0]


def test_a_silent_driver_that_holds_on_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process may be stopped, and would go on beside the second one."""
    monkeypatch.setattr(folder_lock, "PATIENCE_SEC", 1.0)
    sweep = SweepDir(tmp_path)
    sweep.write_note(NOTE)
    with held(sweep):
        assert refused_after(sweep) >= 1.0


@pytest.mark.parametrize("holder", ["here", "moves", "begins"])
def test_a_driver_that_lives_is_not_waited_for(tmp_path: Path, holder: str) -> None:
    """It runs on this host, or its note moves, or has no note yet."""
    sweep = SweepDir(tmp_path)
    if holder != "begins":
        sweep.write_note(replace(NOTE, host=platform.node()) if holder == "here" else NOTE)
    with held(sweep) as process:
        if holder == "moves":
            beat = f"import time; time.sleep(0.5); {MOVE.format(root=str(tmp_path))}"
            with subprocess.Popen([sys.executable, "-c", beat]):
                assert refused_after(sweep) < 60
        elif holder == "here":
            assert refused_after(sweep) < 5
        else:
            with pytest.raises(StoreError, match="in use by another driver; wait"), sweep.lock():
                pass
        assert process.poll() is None


MOVE = """
from dataclasses import replace
from pathlib import Path
from deft_sweeps.store.sweep_dir import SweepDir
sweep = SweepDir(Path({root!r}))
sweep.write_note(replace(sweep.note(), beat_at=1e9 + 1))
"""

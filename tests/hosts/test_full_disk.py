"""A disk that fills up during a sweep, by bytes and then by files: the sweep waits for room."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from deft_sweeps.store.sweep_dir import SweepDir
from tests.fakes import FakeMaker, fake_spec
from tests.other_user import require_root
from tests.running import counts_are_equal, nothing_is_left, wait_for

pytestmark = pytest.mark.hosts

TRIALS = 5
N_BYTES, N_FILES = 48 * 2**20, 2000
STUCK_SEC, RUN_SEC = 1.5, 240.0
# The disk lies in a mount namespace of the driver's, and ends with it.
_ON_A_SMALL_DISK = """
set -e
mkdir "$1"
mount -t tmpfs -o size=$2,nr_inodes=$3 tmpfs "$1"
"$4" -c "$5" "$1"
cp -a "$1/." "$6"
"""
_DRIVER = f"""
import sys
from pathlib import Path
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep.progress import LineView
from deft_sweeps.sweep.runner import run_sweep
from tests.fakes import FakeMaker, fake_spec

root = Path(sys.argv[1])
maker = FakeMaker(root.parent, step_sec=0.05)
with LineView(sys.stdout) as view:
    run_sweep(fake_spec({TRIALS}), SweepDir(root), maker, view=view, n_cpus=2)
"""


def fill_bytes(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("ab", buffering=0) as file:
        while True:
            file.write(b"\x00" * 4096)


def fill_files(disk: Path) -> None:
    with suppress(OSError):
        (disk / "fillers").mkdir(exist_ok=True)
        for _ in range(N_FILES):
            (disk / "fillers" / str(time.monotonic_ns())).touch(exist_ok=False)


def make_room(disk: Path) -> None:
    (disk / "filler").unlink(missing_ok=True)
    for path in (disk / "fillers").glob("*"):
        path.unlink()


class Stuck:
    """Whether every trial that was begun is trained, and nothing was stored or begun for a while.

    The disk is filled again each time: whatever is deleted on it makes room.
    """

    def __init__(self, disk: Path, fakes: FakeMaker, fill: Callable[[Path], None]) -> None:
        self._disk, self._fakes, self._fill = disk, fakes, fill
        self._seen, self._since = (-1, -1, -1), 0.0

    def __call__(self) -> bool:
        self._fill(self._disk)
        begun, trained = (len(self._fakes.notes(what)) for what in ("start", "finish"))
        seen = begun, trained, len(SweepDir(self._disk).trial_ids())
        if seen != self._seen or begun != trained:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since >= STUCK_SEC


def test_a_disk_that_is_full_twice_costs_no_trial(tmp_path: Path) -> None:
    require_root()
    root, log, copy = tmp_path / "sweep", tmp_path / "driver.txt", tmp_path / "copy"
    settings = (root, N_BYTES, N_FILES, sys.executable, _DRIVER, copy)
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["unshare", "-m", "bash", "-c", _ON_A_SMALL_DISK, "disk", *map(str, settings)],
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    disk, fakes = Path(f"/proc/{shell.pid}/root{root}"), FakeMaker(tmp_path)
    try:
        for fill, n_stored in ((fill_bytes, 1), (fill_files, 2)):
            wait_for(lambda: len(SweepDir(disk).trial_ids()) >= n_stored, shell)  # noqa: B023
            wait_for(Stuck(disk, fakes, fill), shell)
            assert len(SweepDir(disk).trial_ids()) < TRIALS
            make_room(disk)
        assert shell.wait(RUN_SEC) == 0
    finally:
        print(log.read_text())
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    assert "No space left on device" in log.read_text()
    sweep = SweepDir(copy)
    assert [result.status for result in sweep.results()] == ["complete"] * TRIALS
    assert max(Counter(fakes.notes("finish")).values()) == 1, "none is trained twice"
    counts_are_equal(fake_spec(TRIALS), sweep)
    nothing_is_left(sweep)

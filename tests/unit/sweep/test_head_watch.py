"""The watch ends its process, so it runs in one of its own."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deft_sweeps.store.driver_note import DriverNote
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import head_watch

WATCHED = """
import sys, time
from pathlib import Path
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import head_watch
from deft_sweeps.sweep.progress import LineView

head_watch.PATIENCE_SEC, head_watch._PAUSE_SEC, head_watch._NODE_PAUSE_SEC = 1.0, 0.1, 0.1
sweep, address = SweepDir(Path(sys.argv[1])), sys.argv[2]
node = Path(sys.argv[4]) if len(sys.argv) > 4 else None
with LineView(sys.stderr) as view, head_watch.head_watch(sweep, address, view, node):
    with head_watch.head_watch(sweep, address, view):
        print("watching", flush=True)
        time.sleep(float(sys.argv[3]))
print("ended", flush=True)
"""


def watched(sweep: SweepDir, port: int, for_sec: float, *node: str) -> "subprocess.Popen[str]":
    arguments = [str(sweep.root), f"127.0.0.1:{port}", str(for_sec), *node]
    command = [sys.executable, "-c", WATCHED, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    sweep = SweepDir(tmp_path)
    sweep.write_note(DriverNote(1, 0.0, 0.0, 9, ("a-s0",), "searching", None))
    return sweep


def test_a_driver_whose_head_is_gone_says_so_and_what_to_type(sweep: SweepDir) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
        process = watched(sweep, port, 60.0)
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        time.sleep(1.5)
        assert process.poll() is None, "it has ended though its head answers"
    _, errors = process.communicate(timeout=30)
    assert process.returncode == head_watch.CLUSTER_LOST
    lost, following = errors.splitlines()
    assert f"its head at 127.0.0.1:{port} has not answered" in lost
    assert following.endswith(
        f"deft-sweeps run {sweep.root} --resume --ray-address 127.0.0.1:{port}"
    )
    note = sweep.note()
    assert note is not None
    assert (note.state, note.running, note.n_budget) == ("cluster lost", (), 9)


def test_a_head_that_comes_back_in_time_is_not_lost(sweep: SweepDir) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
        process = watched(sweep, port, 3.0)
        assert process.stdout is not None
        process.stdout.readline()
    time.sleep(0.3)
    with socket.create_server(("127.0.0.1", port)):
        printed, errors = process.communicate(timeout=30)
    assert (process.returncode, printed, errors) == (0, "ended\n", "")


@pytest.mark.parametrize("again", [False, True])
def test_a_driver_whose_own_node_ends_says_so(again: bool, sweep: SweepDir, tmp_path: Path) -> None:
    """Also if another node listens under its name at once: that one does not know the driver."""
    path = tmp_path / "node"
    with socket.create_server(("127.0.0.1", 0)) as head, socket.socket(socket.AF_UNIX) as node:
        node.bind(str(path))
        node.listen()
        process = watched(sweep, head.getsockname()[1], 60.0, str(path))
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        time.sleep(1.0)
        assert process.poll() is None, "it has ended though both answer"
        with socket.socket(socket.AF_UNIX) as later:
            node.close()
            if again:
                path.unlink()
                later.bind(str(path))
                later.listen()
            _, errors = process.communicate(timeout=30)
    assert process.returncode == head_watch.CLUSTER_LOST
    lost, following = errors.splitlines()
    assert "the Ray node of this host, through which this process spoke to it, has ended" in lost
    assert f"deft-sweeps run {sweep.root} --resume" in following


def test_a_local_ray_has_no_head_that_can_be_lost(sweep: SweepDir) -> None:
    with head_watch.head_watch(sweep, None, lambda _: None):
        assert not head_watch._watching.locked()

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import follower
from deft_sweeps.sweep.follower import Follower
from tests.fakes import fake_result, fake_spec, plain


def test_a_nudge_mirrors_what_is_new_and_closing_catches_up(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    config = fake_spec().config(plain(1e-3))
    follows = Follower(sweep, fake_spec(), pytest.fail)
    sweep.write(fake_result(config, 0))
    follows.nudge(config.trial_id(0))
    sweep.write(fake_result(config, 1))
    assert follows.close()
    assert set(Mirror(sweep, "fake").trials()) == {config.trial_id(0), config.trial_id(1)}


def test_a_tracker_that_is_down_is_told_of_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder where the database file should be stands for a tracker that is down; it comes up
    when the folder goes.
    """
    monkeypatch.setattr(follower, "RETRY_SEC", 0.2)
    sweep = SweepDir(tmp_path)
    config = fake_spec().config(plain(1e-3))
    sweep.write(fake_result(config, 0))
    (tmp_path / "mlflow.db").mkdir()
    heard = threading.Event()
    troubles: list[str] = []

    def on_trouble(message: str) -> None:
        troubles.append(message)
        heard.set()

    follows = Follower(sweep, fake_spec(), on_trouble)
    assert heard.wait(60)
    assert "catches up later" in troubles[0]
    (tmp_path / "mlflow.db").rmdir()
    time.sleep(0.5)
    assert follows.close()
    assert set(Mirror(sweep, "fake").trials()) == {config.trial_id(0)}


def test_a_process_that_is_killed_is_told_of_and_what_it_missed_is_mirrored(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    config = fake_spec().config(plain(1e-3))
    troubles: list[str] = []
    follows = Follower(sweep, fake_spec(), troubles.append)
    os.kill(follows.pid, signal.SIGKILL)
    sweep.write(fake_result(config, 0))
    follows.nudge(config.trial_id(0))
    assert follows.close()
    assert "the tracker's process ended (-9)" in troubles[0]
    assert set(Mirror(sweep, "fake").trials()) == {config.trial_id(0)}


def test_a_process_that_cannot_be_started_again_is_told_of_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "RETRY_SEC", 0.0)
    troubles: list[str] = []
    follows = Follower(SweepDir(tmp_path), fake_spec(), troubles.append)
    os.kill(follows.pid, signal.SIGKILL)
    follows._process.wait()
    with monkeypatch.context() as full:
        full.setattr(
            subprocess,
            "Popen",
            lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        follows.nudge("a-trial")
    assert any(
        "cannot be started: OSError: [Errno 28] No space left on device" in trouble
        for trouble in troubles
    )
    assert follows.close()


def test_the_process_yields_to_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Niceness counts within a session only, where Linux groups processes by it; so it must be the
    driver's.
    """
    monkeypatch.delenv("RAY_worker_niceness")
    follows = Follower(SweepDir(tmp_path), fake_spec(), pytest.fail)
    assert os.getsid(follows.pid) == os.getsid(0)
    assert os.getpgid(follows.pid) != os.getpgid(0), "Ctrl-C is the driver's"
    assert follows.close()


def test_a_silent_tracker_is_left_after_the_patience_and_the_driver_never_waits_for_it(
    tmp_path: Path,
) -> None:
    """A socket that takes connections and never answers; more is told than a pipe holds."""
    sweep = SweepDir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://ann:hunter2@127.0.0.1:{silent.getsockname()[1]}"
        follows = Follower(sweep, replace(fake_spec(), tracking_uri=uri), lambda _: None)
        assert "hunter2" not in Path(f"/proc/{follows.pid}/cmdline").read_text()
        began = time.monotonic()
        for i in range(20_000):
            follows.nudge(f"{i:012x}-s0")
        assert time.monotonic() - began < 5
        assert not follows.close(patience_sec=1)


def test_the_process_ends_with_the_driver(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from deft_sweeps.store.sweep_dir import"
        " SweepDir; from deft_sweeps.sweep.follower import Follower; from tests.fakes import"
        f" fake_spec; sweep = SweepDir(Path({str(tmp_path)!r})); print(Follower(sweep, fake_spec(),"
        " print).pid, flush=True); time.sleep(600)"
    )
    driver = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    pid = int(driver.stdout.readline())
    driver.kill()
    driver.wait()
    for _ in range(300):
        if (
            not Path(f"/proc/{pid}").exists()
            or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]
        ):
            return
        time.sleep(0.1)
    pytest.fail("the tracker's process outlives its driver")

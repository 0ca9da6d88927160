import threading
import time
from pathlib import Path

import pytest

from deft_sweeps.store.mlflow import Mirror
from deft_sweeps.store.results import SweepDir
from deft_sweeps.sweep import follower
from deft_sweeps.sweep.follower import Follower
from tests.fakes import fake_result, fake_spec, plain


def test_a_nudge_mirrors_what_is_new_and_closing_catches_up(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path)
    config = fake_spec().config(plain(1e-3))
    follows = Follower(Mirror(sweep, "fake"), pytest.fail)
    sweep.write(fake_result(config, 0))
    follows.nudge()
    sweep.write(fake_result(config, 1))
    assert follows.close()
    assert set(Mirror(sweep, "fake").trials()) == {config.trial_id(0), config.trial_id(1)}


def test_a_tracker_that_is_down_is_told_of_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder where the database file should be stands for a tracker that is down; it comes up when the folder goes."""
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

    follows = Follower(Mirror(sweep, "fake"), on_trouble)
    assert heard.wait(60)
    assert "catches up later" in troubles[0]
    (tmp_path / "mlflow.db").rmdir()
    time.sleep(0.5)
    assert follows.close()
    assert set(Mirror(sweep, "fake").trials()) == {config.trial_id(0)}

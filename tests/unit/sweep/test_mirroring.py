import io
import json
import queue
import time
from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.errors import StoreError
from deft_sweeps.result import CompleteTrial
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import mirroring
from deft_sweeps.sweep.mirroring import follow, pack
from tests.fakes import fake_result, fake_spec, plain


class Later(queue.Queue[dict[str, Any]]):
    """What the driver tells; a result is stored when it is told of."""

    def __init__(self, sweep: SweepDir, messages: list[dict[str, Any]]) -> None:
        super().__init__()
        self._sweep = sweep
        for message in messages:
            self.put(message)

    def get(self, block: bool = True, timeout: float | None = None) -> dict[str, Any]:
        message = super().get(block, timeout)
        if "new" in message:
            self._sweep.write(
                fake_result(
                    fake_spec().config(plain(1e-3)), int(message["new"].rpartition("-s")[2])
                )
            )
        return message


def test_each_result_mirrored_is_a_sign_of_life(tmp_path: Path) -> None:
    """A driver that closes waits for as long as there are such signs, however many results are
    left.
    """
    sweep, config = SweepDir(tmp_path), fake_spec().config(plain(1e-3))
    start = {"root": str(tmp_path), "spec": pack(fake_spec()), "retry_sec": 30.0}
    mirroring = Later(
        sweep, [start, *({"new": config.trial_id(seed)} for seed in range(3)), {"close": False}]
    )
    out = io.StringIO()
    follow(mirroring, out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"left": 3},
        {"left": 2},
        {"left": 1},
        {"level": True},
    ]


class Busy(queue.Queue[dict[str, Any]]):
    """A driver that tells of something every ten seconds, and is never waited for in vain."""

    def __init__(self, clock: list[float], messages: list[dict[str, Any]]) -> None:
        super().__init__()
        self._clock, self._messages = clock, messages

    def get(self, block: bool = True, timeout: float | None = None) -> dict[str, Any]:
        self._clock[0] += 10.0
        return self._messages.pop(0)


def test_a_tracker_that_failed_is_tried_again_while_results_keep_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, caught_up_at, added = [0.0], list[float](), list[str]()

    class Flaky:
        """Down for its first forty seconds."""

        def __init__(self, *_: Any) -> None:
            pass

        def catch_up(self, timeout: Any) -> None:
            caught_up_at.append(clock[0])
            if clock[0] < 40.0:
                raise StoreError("the tracker cannot be reached")

        def add(self, result: CompleteTrial) -> None:
            added.append(result.trial_id)

        def close(self, *, interrupted: bool) -> None:
            pass

    monkeypatch.setattr(mirroring, "mirrors", lambda *_: (Flaky(),))
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    sweep, config = SweepDir(tmp_path), fake_spec().config(plain(1e-3))
    for seed in range(8):
        sweep.write(fake_result(config, seed))
    start = {"root": str(tmp_path), "spec": pack(fake_spec()), "retry_sec": 30.0}
    busy = Busy(
        clock, [start, *({"new": config.trial_id(seed)} for seed in range(8)), {"close": False}]
    )
    follow(busy, io.StringIO())
    assert caught_up_at == [10.0, 40.0, 100.0], (
        "at the start, when the time to try again has come, and at the end"
    )
    assert added == [config.trial_id(seed) for seed in range(3, 8)], (
        "once it is level, results are mirrored as they come"
    )


class Recorded:
    """A mirror that is down, or that records what it is given."""

    def __init__(self, *, is_down: bool) -> None:
        self.is_down, self.added = is_down, list[str]()

    def catch_up(self, on_each: Any) -> int:
        if self.is_down:
            raise StoreError("the database cannot be reached")
        return 0

    def add(self, result: CompleteTrial) -> bool:
        self.added.append(result.trial_id)
        return True

    def close(self, *, interrupted: bool) -> None:
        pass


def test_a_mirror_that_is_down_does_not_hold_up_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    down, up, out = Recorded(is_down=True), Recorded(is_down=False), io.StringIO()
    monkeypatch.setattr(mirroring, "mirrors", lambda *_: (down, up))
    config = fake_spec().config(plain(1e-3))
    start = {"root": str(tmp_path), "spec": pack(fake_spec()), "retry_sec": 30.0}
    new = ({"new": config.trial_id(seed)} for seed in range(3))
    follow(Later(SweepDir(tmp_path), [start, *new, {"close": False}]), out)
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert up.added == [config.trial_id(seed) for seed in range(3)]
    assert down.added == []
    assert "the database cannot be reached; the sweep goes on" in said[0]["trouble"]
    assert said[-1] == {"level": False}

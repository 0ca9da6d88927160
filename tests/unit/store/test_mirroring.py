import io
import json
import queue
from pathlib import Path
from typing import Any

from deft_sweeps.store.mirroring import follow
from deft_sweeps.store.results import SweepDir
from tests.fakes import fake_result, fake_spec, plain


class Later(queue.Queue[dict[str, Any] | None]):
    """What the driver tells; a result is stored when it is told of."""

    def __init__(self, sweep: SweepDir, messages: list[dict[str, Any]]) -> None:
        super().__init__()
        self._sweep = sweep
        for message in messages:
            self.put(message)

    def get(self, block: bool = True, timeout: float | None = None) -> dict[str, Any] | None:
        message = super().get(block, timeout)
        if message and "new" in message:
            self._sweep.write(fake_result(fake_spec().config(plain(1e-3)), int(message["new"].rpartition("-s")[2])))
        return message


def test_each_result_mirrored_is_a_sign_of_life(tmp_path: Path) -> None:
    """A driver that closes waits for as long as there are such signs, however many results are left."""
    sweep, config = SweepDir(tmp_path), fake_spec().config(plain(1e-3))
    start = {"root": str(tmp_path), "name": "fake", "uri": None, "retry_sec": 30.0}
    told = Later(sweep, [start, *({"new": config.trial_id(seed)} for seed in range(3)), {"close": False}])
    out = io.StringIO()
    follow(told, out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [{"left": 3}, {"left": 2}, {"left": 1}, {"level": True}]

"""A file of several sweeps by the command line, on a real Ray with trials in closed form."""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deft_sweeps.cli.app import app
from deft_sweeps.config.axes import DensityLoss
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.sweep import session
from tests.fake_finals import measured
from tests.fakes import FakeMaker, FakeRun
from tests.running import counts_are_equal

pytestmark = pytest.mark.sweeps

FILE = """# two sweeps
name: plain
space: {training: {steps: 20, learning_rate: {choice: [1e-3, 2e-3]}}}
evaluation: {thresholds: [0, 0.01, 0.5], objective_threshold: 0.01}
choose: best activation_density
budget: {trials: 2, concurrency: 1}
---
# with the density loss
name: dense
space: {density: [loss: {weight: 1}], training: {steps: 20, learning_rate: {choice: [1e-3, 2e-3]}}}
first: [{training: {learning_rate: 1e-3}}, {training: {learning_rate: 2e-3}}]
evaluation: {thresholds: [0, 0.01, 0.5], objective_threshold: 0.01}
choose: best activation_density
budget: {trials: 2, concurrency: 1}
"""


class Waiting(FakeMaker):
    """The second sweep's second trial stands at its beginning until the folder has a file `go`."""

    def start(self, config: TrialConfig, seed: int, state: bytes | None) -> FakeRun:
        run = super().start(config, seed, state)
        while self.waits(config) and not (self.folder / "go").exists():
            time.sleep(0.05)
        return run

    def waits(self, config: TrialConfig) -> bool:
        return isinstance(config.density, DensityLoss) and config.training.learning_rate == 2e-3


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["run", *map(str, arguments)], prog_name="deft-sweeps")


def interrupt_when(holds: Any) -> threading.Thread:
    """Send this process what Ctrl-C sends, once."""

    def watch() -> None:
        for _ in range(2400):
            if holds():
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.usefixtures("one_ray")
def test_two_sweeps_are_interrupted_in_the_second_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = Waiting(tmp_path)
    monkeypatch.setattr(session, "TorchTrialStarterFactory", lambda *_, **__: maker)
    monkeypatch.setattr("deft_sweeps.sweep.final.measure", measured)
    file, out = tmp_path / "two.yaml", tmp_path / "runs"
    file.write_text(FILE)
    parts = load_parts(file)
    first, second = (SweepDir(out / part.spec.name) for part in parts)

    watch = interrupt_when(lambda: len(second.trial_ids()) == 1 and len(maker.notes("start")) == 4)
    cut = call(file, "--out", out)
    watch.join()
    assert cut.exit_code == 130, cut.output
    assert f"1 of 2: plain, in {first.root}" in cut.stderr
    assert f"2 of 2: dense, in {second.root}" in cut.stderr
    assert f"go on with all: deft-sweeps run {out} --resume" in cut.stderr
    assert (len(first.trial_ids()), len(second.trial_ids())) == (2, 1)
    assert first.report_path.exists()
    assert not second.report_path.exists()
    assert [note.state for note in (first.note(), second.note()) if note is not None] == [
        "finished",
        "interrupted",
    ]
    contents = {
        sweep.result_path(trial_id): sweep.result_path(trial_id).read_bytes()
        for sweep in (first, second)
        for trial_id in sweep.trial_ids()
    }

    refused = call(file, "--out", out)
    assert refused.exit_code == 2
    assert f"--resume goes on with all sweeps of {out}" in refused.stderr
    other = tmp_path / "other.yaml"
    other.write_text(FILE.replace("weight: 1", "weight: 2"))
    changed = call(other, "--out", out, "--resume")
    assert changed.exit_code == 2
    assert f"{other}:9:1: is not the spec that {second.root} has run" in changed.stderr
    assert "trials are added to one" in call(out, "--more", 1).stderr

    (tmp_path / "go").touch()
    done = call(out, "--resume")
    assert done.exit_code == 0, done.output
    assert all(path.read_bytes() == content for path, content in contents.items())
    ran = Counter(who for who, _ in maker.notes("finish"))
    for part, sweep in zip(parts, (first, second), strict=True):
        assert len(sweep.trial_ids()) == 2
        counts_are_equal(part.spec, sweep)
        assert {ran[trial_id] for trial_id in sweep.trial_ids()} == {1}
        page = sweep.report_path.read_text()
        assert f"<title>{part.spec.name}" in page
        assert f"report: {sweep.report_path}" in done.stdout
        assert next(final.role for final in sweep.finals()) == "chosen"
    assert sum(ran.values()) == 4

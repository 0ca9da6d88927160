"""The console script on a file with two real sweeps, killed in the second and gone on with."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.store.sweep_dir import SweepDir
from tests.running import wait_for

PART = """name: {name}
model: {model}
task: {{kind: files, path: {path}, max_input_tokens: 16, splits: {{validation: 20, test: 20}}}}
dtype: fp32
space:
  density: [{density}]
  quantization: [none, nf4]
  training: {{steps: 12, batch_size: 6, learning_rate: 1e-2}}
choose: best activation_density
evaluation: {{thresholds: [0, 0.01], objective_threshold: 0.01, latency_repeats: 1}}
budget: {{trials: 2, concurrency: 1}}
"""


@pytest.mark.slow
def test_a_file_of_two_sweeps_is_run_killed_and_resumed(
    tmp_path: Path, tiny_config: TrialConfig
) -> None:
    task = tiny_config.task
    assert isinstance(task, FileTask)
    fields = {"model": tiny_config.model, "path": task.path}
    file = tmp_path / "two.yaml"
    parts = [
        PART.format(name="plain", density="none", **fields),
        PART.format(name="dense", density="loss: {weight: 1}", **fields),
    ]
    file.write_text("---\n".join(parts))
    script = Path(sys.executable).with_name("deft-sweeps")
    first, second = (
        SweepDir(tmp_path / "runs" / "two" / "plain"),
        SweepDir(tmp_path / "runs" / "two" / "dense"),
    )

    began = subprocess.Popen(
        [str(script), "run", str(file)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: bool(second.trial_ids()), began, seconds=400)
    os.kill(began.pid, signal.SIGKILL)
    began.communicate()
    assert first.report_path.exists()
    assert not second.report_path.exists()
    contents = {
        path: path.read_bytes()
        for sweep in (first, second)
        for path in map(sweep.result_path, sweep.trial_ids())
    }
    assert 3 <= len(contents) <= 4

    refused = subprocess.run(
        [str(script), "run", str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert refused.returncode == 2
    assert "--resume goes on with all sweeps of runs/two" in refused.stderr
    done = subprocess.run(
        [str(script), "run", str(file), "--resume"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert all(path.read_bytes() == content for path, content in contents.items())
    for sweep in (first, second):
        assert len(sweep.trial_ids()) == 2
        assert {final.role for final in sweep.finals()} >= {"chosen"}
        assert f"report: runs/two/{sweep.root.name}/report.html" in done.stdout
        assert sweep.report_path.is_file()
        status = subprocess.run(
            [str(script), "status", str(sweep.root), "--json"],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert json.loads(status.stdout)["state"] == "finished"
    planned = subprocess.run(
        [str(script), "plan", str(file), "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert [plan["name"] for plan in json.loads(planned.stdout)] == ["plain", "dense"]

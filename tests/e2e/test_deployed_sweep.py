"""A sweep that names the runtime of its choice: searched, measured in it, certified, exported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deft_sweeps
from deft_sweeps.deploy.manifest_file import read_manifest
from deft_sweeps.store.cost_record import CostRecord
from deft_sweeps.store.selection_record import SelectionRecord
from deft_sweeps.store.sweep_dir import SweepDir
from tests.tiny import save_tiny, write_reviews
from tests.unit.deploy.made_bundles import PACKAGED

SPEC = """name: deployed
model: t5
task: {kind: files, path: reviews.csv, splits: {validation: 60, selection: 120, test: 60},
  max_input_tokens: 16}
dtype: fp32
space:
  peft: [lora: {r: 4, targets: [q, v, down]}]
  activation: [pretrained, relu]
  training: {steps: 10, batch_size: 8, learning_rate: 2e-2}
limits: [latency_sec <= 10 s, weight_bytes <= 100 MiB]
choose: best weight_bytes where score >= baseline(peft) - 0.3
evaluation: {thresholds: [0], objective_threshold: 0}
deploy: {runtime: ct2-int8, batch: 4}
budget: {trials: 2}
"""


@pytest.mark.slow
def test_scores_costs_certificate_and_bundle_are_the_runtimes(tmp_path: Path) -> None:
    save_tiny(tmp_path / "t5", PACKAGED)
    write_reviews(tmp_path / "reviews.csv", 480)
    (tmp_path / "s.yaml").write_text(SPEC)
    ran = command(tmp_path, "run", "s.yaml", "--out", "sweep")
    sweep = SweepDir(tmp_path / "sweep")

    costs = CostRecord(sweep.root).costs()
    assert {(cost.runtime, cost.batch) for cost in costs} == {("ct2-int8", 4)}
    assert len(costs) == 2, "one a structure"
    record = SelectionRecord(sweep.root)
    chain = record.chain()
    assert chain is not None
    assert chain.runtime == "ct2-int8"
    measured = [*record.measurements().values(), *sweep.finals()]
    assert {one.runtime for one in measured} == {"ct2-int8"}
    of_structure = {cost.file_bytes for cost in costs}
    assert {one.cost.weight_bytes for one in measured} <= of_structure

    assert "in ct2-int8" in ran
    chosen = json.loads(command(tmp_path, "choose", "sweep", "--json"))
    assert chosen["runtime"] == "ct2-int8"
    command(tmp_path, "export", "sweep", "bundle")
    manifest = read_manifest(tmp_path / "bundle")
    assert manifest.artifact("ct2-int8") is not None
    assert manifest.answer.runtime == "ct2-int8"
    predictor = deft_sweeps.load(tmp_path / "bundle", n_threads=1)
    assert predictor.runtime.name == "ct2-int8"
    assert predictor.predict(["great plot and number 3 cast"])[0].value in ("positive", "negative")


def command(folder: Path, *arguments: str) -> str:
    script = Path(sys.executable).with_name("deft-sweeps")
    ended = subprocess.run(
        [str(script), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout

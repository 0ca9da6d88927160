"""The lines of a bundle's card, run by an interpreter that has no deft_sweeps, give the threshold-0
score of trials that were really trained.

The environment with torch, transformers, peft and safetensors is made once a session, or is that of
the interpreter which DEFT_SWEEPS_PLAIN_PYTHON names.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.deploy.model_card import CARD_NAME
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.weights_file import read_weights
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.tokens import fill
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import measure_final
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.unit.deploy.made_bundles import PACKAGED, bundle_of, sweep_of, train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
INTERPRETER = "DEFT_SWEEPS_PLAIN_PYTHON"
BERT = "packaged/minilm-l6"
N_TEST = 200
TASK = (
    "{kind: packaged, name: rotten-tomatoes, max_input_tokens: 48,"
    f" splits: {{validation: 20, test: {N_TEST}}}}}"
)

SETTINGS = {
    "model": PACKAGED,
    "peft": "lora: {r: 8, targets: [q, v, gate, down]}",
    "learning_rate": "2e-3",
    "steps": "20",
}
CASES: dict[str, dict[str, str]] = {
    "LoRA with ReLU": {"activation": "relu"},
    "LoRA with GELU": {},
    "masked LoRA on a pruned base": {
        "peft": "lora: {r: 8, targets: [q, v, gate, down], masked: true}",
        "pruning": "wanda: {sparsity: 0.5}",
    },
    "BERT head": {"model": BERT, "steps": "200", "learning_rate": "1e-3"},
}

RUN = """
import contextlib, importlib.util, io, json, sys
if importlib.util.find_spec("deft_sweeps"):
    sys.exit("this environment has deft_sweeps")
opening, answering, inputs = json.load(sys.stdin)
names, answers = {}, []
exec(opening, names)
code = compile(answering, "card", "exec")
for given in inputs:
    names["given"], printed = given, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    answers.append(printed.getvalue().strip())
print(json.dumps(answers))
"""


@pytest.fixture(scope="session")
def plain_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter whose environment lacks this package."""
    if given := os.environ.get(INTERPRETER):
        return given
    folder = tmp_path_factory.mktemp("plain") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    packages = ("torch", "transformers", "peft", "safetensors")
    subprocess.run([*install, "-c", ROOT / "constraints.txt", *packages], check=True)
    return python


@dataclass(frozen=True)
class Trained:
    """A trained trial and its bundle."""

    sweep: SweepDir
    folder: Path
    manifest: Manifest

    def right(self, config: TrialConfig) -> NDArray[np.float64]:
        """Which test examples the trial's weights answer right at threshold 0, measured as a sweep
        measures its choice.
        """
        training = self.manifest.training
        weights = read_weights(self.sweep.weights_path(training.trial_id))
        job = FinalJob("chosen", config, training.seed, weights, threshold=0.0)
        factory = TorchTrialStarterFactory(Evaluation(), 1)
        return measure_final(job, factory).point.example_scores.array()


def trained(folder: Path, settings: dict[str, str], dtype: str) -> Trained:
    sweep = sweep_of(folder, task=TASK, dtype=dtype, **(SETTINGS | settings))
    sweep.write(train(sweep))
    manifest = bundle_of(sweep, folder / "bundle", threshold=0.0)
    return Trained(sweep, folder / "bundle", manifest)


def plainly_right(python: str, made: Trained) -> NDArray[np.float64]:
    """Which test examples the lines of the bundle's card answer right."""
    card = (made.folder / CARD_NAME).read_text()
    (code,) = [
        block for block in re.findall("```python\n(.*?)```", card, re.DOTALL) if "hf" in block
    ]
    assert "deft_sweeps" not in code
    task, test = made.manifest.task, read_splits(made.manifest.training.config.task).test
    template = task.prompt or "{text}"
    opening, begin, answering = code.partition("inputs = ")
    sample = repr(fill(template, "Your text", ""))
    assert answering.count(sample) == 1
    answering = begin + answering.replace(sample, "given")
    inputs = [fill(template, example.text, "") for example in test]
    done = subprocess.run(
        [python, "-I", "-c", RUN],
        input=json.dumps([opening, answering, inputs]),
        capture_output=True,
        text=True,
        cwd=made.folder,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert set(answers) <= set(task.classes)
    labels = [example.label for example in test]
    return np.array([a == b for a, b in zip(answers, labels, strict=True)], float)


def print_row(case: str, trial: NDArray[Any], plain: NDArray[Any]) -> int:
    """Print one line of the table; of two classes, another outcome is another prediction."""
    n_changed = int((trial != plain).sum())
    print(
        f"{case}: trial {trial.mean():.4f}, plain {plain.mean():.4f}, {len(trial)} examples,"
        f" {n_changed} predictions differ"
    )
    return n_changed


@pytest.mark.parametrize("case", CASES)
def test_the_lines_on_the_card_give_the_trials_score(
    case: str, tmp_path: Path, plain_python: str
) -> None:
    made = trained(tmp_path, CASES[case], "fp32")
    trial = made.right(made.manifest.training.config)
    assert trial.mean() > 0.6, "nothing was learned"
    plain = plainly_right(plain_python, made)
    print_row(f"{case}, fp32", trial, plain)
    assert abs(trial.sum() - plain.sum()) <= 1


@pytest.mark.parametrize("case", ["LoRA with ReLU", "LoRA with GELU", "BERT head"])
def test_after_bfloat16_at_most_a_few_predictions_differ(
    case: str, tmp_path: Path, plain_python: str
) -> None:
    made = trained(tmp_path, CASES[case], "bf16")
    config = made.manifest.training.config
    plain = plainly_right(plain_python, made)
    n_changed = print_row(f"{case}, bf16", made.right(config), plain)
    in_float32 = made.right(replace(config, dtype="fp32"))
    print_row(f"{case}, bf16, its weights in float32", in_float32, plain)
    # The folder holds the base rounded to bfloat16, and computes in float32.
    assert n_changed <= 0.02 * N_TEST
    assert abs(in_float32.sum() - plain.sum()) <= 0.02 * N_TEST
    artifact = made.manifest.artifact("hf")
    assert artifact is not None
    assert any("trial computed in bf16" in line for line in artifact.differences)

"""Sweeps of one tiny trial that was really trained, and bundles of them."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.bundle_export import export_choice
from deft_sweeps.deploy.exported_choice import choose_export
from deft_sweeps.deploy.manifest import Manifest
from deft_sweeps.result import CompleteTrial
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.store.spec_origin import spec_folder, write_origin
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.trial.run import TorchTrialRun
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.tiny import save_tiny, save_tiny_encoder, write_reviews

PACKAGED = "packaged/flan-t5-small-title"
SPLITS = "splits: {validation: 24, test: 24}"
CLASSES = f"{{kind: files, path: reviews.csv, {SPLITS}, max_input_tokens: 32}}"
NUMBERS = (
    f"{{kind: files, path: numbers.csv, task: regression, text: text, label: label, {SPLITS},"
    " max_input_tokens: 32}"
)
WRITTEN = (
    f"{{kind: files, path: numbers.csv, task: text, text: text, target: label, {SPLITS},"
    " max_input_tokens: 32, max_target_tokens: 6}"
)
QUESTIONS = (
    f"{{kind: files, path: questions.jsonl, task: qa,"
    f" {SPLITS}, max_input_tokens: 32, max_target_tokens: 6}}"
)

_SPEC = """
name: tiny
model: {model}
task: {task}
dtype: {dtype}
space:
  peft: [{peft}]
  activation: [{activation}]
  quantization: [{quantization}]
  pruning: [{pruning}]
  adaptive: [{adaptive}]
  density: [{density}]
  training: {{steps: {steps}, batch_size: 8, learning_rate: {learning_rate}}}
objectives: [score, activation_density]
choose: best activation_density
evaluation: {{thresholds: [0, 0.05], objective_threshold: 0.05{evaluation}}}
budget: {{trials: 1}}
"""
_SETTINGS = {
    "dtype": "fp32",
    "peft": "lora: {r: 4, targets: [q, v, down]}",
    "activation": "pretrained",
    "quantization": "none",
    "pruning": "none",
    "adaptive": "none",
    "density": "none",
    "steps": "3",
    "learning_rate": "2e-2",
    "evaluation": "",
}


def tiny_sweep(
    folder: Path,
    model: str = "t5",
    task: str = CLASSES,
    *,
    origin: str = "",
    **settings: str,
) -> SweepDir:
    """A sweep's folder with one finished trial.

    Args:
        folder: to make it in, data and model beside it.
        model: `t5`, or a family with a head.
        task: as YAML.
        origin: folder that the data's path starts from; empty writes the path in full.
        settings: of the trial, as YAML.
    """
    _write_inputs(folder, model)
    data = task if origin else task.replace("path: ", f"path: {folder}/")
    sweep = sweep_of(folder, model=str(folder / model), task=data, **settings)
    if origin:
        write_origin(sweep, origin)
    sweep.write(train(sweep))
    return sweep


def sweep_of(folder: Path, *, model: str, task: str, **settings: str) -> SweepDir:
    """A sweep's folder with a spec of one configuration, which is not trained yet."""
    sweep = SweepDir(folder / "sweep")
    sweep.root.mkdir()
    text = _SPEC.format(model=model, task=task, **(_SETTINGS | settings))
    sweep.write_spec(text.encode())
    return sweep


def train(sweep: SweepDir) -> CompleteTrial:
    """Train the sweep's only configuration and keep its weights."""
    spec = load_parts(sweep.spec_path)[0].spec
    config: TrialConfig = spec.combinations[0].template
    factory = TorchTrialStarterFactory(
        replace(spec.evaluation, batch_size=8), 1, folder=str(spec_folder(sweep.spec_path))
    )
    run: Any = factory()(config, 0)
    assert isinstance(run, TorchTrialRun)
    run.advance(config.training.steps)
    path = sweep.weights_path(config.trial_id(0))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(run.weights())
    return run.finish()


def bundle_of(
    sweep: SweepDir, out: Path, *targets: str, threshold: float | None = None
) -> Manifest:
    """A bundle of the sweep's only trial."""
    (trial_id,) = sweep.trial_ids()
    choice = choose_export(sweep.root, trial=trial_id, threshold=threshold)
    return export_choice(choice, out, targets)


def _write_inputs(folder: Path, model: str) -> None:
    reviews = write_reviews(folder / "reviews.csv")
    with reviews.open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    _write_numbers(folder / "numbers.csv", texts)
    questions = _write_questions(folder / "questions.jsonl", texts)
    if model == "t5":
        save_tiny(folder / model, PACKAGED)
    else:
        save_tiny_encoder(folder / model, model, [*texts, *questions])


def _write_numbers(path: Path, texts: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([text, 1 + i % 7 + 0.5] for i, text in enumerate(texts))


def _write_questions(path: Path, texts: list[str]) -> list[str]:
    rows = []
    for i, text in enumerate(texts):
        words = [*text.split(), *texts[(i + 7) % len(texts)].split(), *texts[i - 5].split()]
        rows.append(
            {
                "question": f"which word is number {i}",
                "context": " ".join(words),
                "answers": [words[i % len(words)]],
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return [f"{row['question']} {row['context']}" for row in rows]

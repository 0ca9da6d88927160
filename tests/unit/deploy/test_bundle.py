"""A bundle gives the predictions that its trial was measured by, through `load` and through plain
transformers.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deft_sweeps
from deft_sweeps.axes.activation.gate import thresholded
from deft_sweeps.axes.decoding import GenerationMeter
from deft_sweeps.deploy.bundle_export import export_choice
from deft_sweeps.deploy.bundle_reader import open_runtime
from deft_sweeps.deploy.exported_choice import choose_export
from deft_sweeps.deploy.text_input import as_examples
from deft_sweeps.errors import ConfigError
from deft_sweeps.specification.sweep_file import load_parts
from deft_sweeps.store.sweep_dir import SweepDir
from deft_sweeps.store.weights_file import read_weights
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.tasks.examples import Example
from deft_sweeps.trial.base import model_inputs
from deft_sweeps.trial.build import build
from deft_sweeps.trial.heads import HeadSpec
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.unit.deploy.made_bundles import (
    CLASSES,
    NUMBERS,
    QUESTIONS,
    WRITTEN,
    bundle_of,
    tiny_sweep,
)

THRESHOLD = 0.05

MASKED = {
    "peft": "lora: {r: 4, targets: [q, v, down], masked: true}",
    "pruning": "magnitude: {sparsity: 0.5}",
}
CASES: dict[str, tuple[str, str, dict[str, str], str]] = {
    "T5 classes": ("t5", CLASSES, {"activation": "relu"}, "merged"),
    "T5 text": ("t5", WRITTEN, {}, "merged"),
    "T5 answers": ("t5", QUESTIONS, {}, "merged"),
    "T5 numbers": ("t5", NUMBERS, {}, "merged"),
    "BERT classes": ("bert", CLASSES, {"activation": "relu"}, "merged"),
    "BERT numbers": ("bert", NUMBERS, {}, "merged"),
    "BERT answers": ("bert", QUESTIONS, {}, "merged"),
    "RoBERTa classes": ("roberta", CLASSES, {}, "merged"),
    "DistilBERT answers": ("distilbert", QUESTIONS, {}, "merged"),
    "masked LoRA on a pruned base": ("t5", CLASSES, MASKED, "merged"),
    "removed blocks": ("t5", CLASSES, {"adaptive": "ada: {skip: 2}"}, "merged"),
    "removed blocks of BERT": ("bert", CLASSES, {"adaptive": "ada: {skip: 1}"}, "merged"),
    "bottleneck adapter": ("t5", CLASSES, {"peft": "adapter: {reduction: 8}"}, ""),
    "prompt": ("t5", CLASSES, {"peft": "prompt_tuning: {virtual_tokens: 4}"}, "adapter"),
    "NF4": ("t5", CLASSES, {"quantization": "nf4"}, "adapter"),
    "NF4, pruned": (
        "t5",
        CLASSES,
        {"quantization": "nf4", "pruning": "magnitude: {sparsity: 0.5}", "activation": "relu"},
        "adapter",
    ),
}


def trial_predictions(sweep: SweepDir, threshold: float) -> list[Any]:
    """What the trial itself says of its test split, read as its score is."""
    spec = load_parts(sweep.spec_path)[0].spec
    (trial_id,) = sweep.trial_ids()
    trial = sweep.result(trial_id)
    starter = TorchTrialStarterFactory(spec.evaluation, 2)()
    data = starter.data(trial.config)
    made = build(starter.base(trial.config, data), trial.config, trial.seed, HeadSpec.of(data))
    made.load(read_weights(sweep.weights_path(trial_id)))
    evaluator = starter.measurer.evaluator(made, data, "test")
    answers: list[Any] = []
    made.model.eval()
    with torch.no_grad(), thresholded(made.gates, threshold):
        for batch in evaluator.batches:
            inputs, _ = model_inputs(batch, starter.device)
            n_read = len(answers)
            places = evaluator.order[n_read : n_read + batch.input_ids.shape[0]]
            logits = made.model(**inputs).logits
            meter = GenerationMeter(made.gates)
            answers += evaluator.answers.of_batch(places, batch, inputs, logits, meter)
    values = evaluator.answers.by_example(evaluator.order, answers)
    return [data.classes[value] for value in values] if data.classes else values


def as_inputs(examples: list[Example], *, pairs: bool) -> list[Any]:
    return [(one.text, one.second) if pairs else one.text for one in examples]


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_bundle_predicts_what_the_trial_does(name: str, tmp_path: Path) -> None:
    model, task, settings, form = CASES[name]
    sweep = tiny_sweep(tmp_path, model, task, **settings)
    manifest = bundle_of(sweep, tmp_path / "out", threshold=THRESHOLD)
    artifact = manifest.artifact("hf")
    assert (artifact.form if artifact is not None else "") == form
    assert manifest.training.threshold == THRESHOLD
    predictor = deft_sweeps.load(tmp_path / "out", n_threads=2)
    test = list(read_splits(manifest.training.config.task).test)
    predicted = predictor.predict(as_inputs(test, pairs=manifest.task.takes_pairs), batch_size=7)
    if manifest.task.form == "text-to-text":
        first = as_inputs(test[:3], pairs=manifest.task.takes_pairs)
        assert [type(text) for text in predictor.generate(first)] == [str] * 3
    values, expected = [one.value for one in predicted], trial_predictions(sweep, THRESHOLD)
    if manifest.task.kind == "regression":
        np.testing.assert_allclose(np.array(values, float), expected, atol=1e-4)
    else:
        assert values == expected
    if manifest.task.kind == "classification":
        assert sum(predicted[0].probabilities.values()) == pytest.approx(1)
        labels = [one.label for one in test]
        assert predictor.score(as_inputs(test, pairs=False), labels).value == pytest.approx(
            np.mean([v == w for v, w in zip(values, labels, strict=True)])
        )


_PLAIN = """
import json, sys, torch, transformers
folder, cls, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = getattr(transformers, cls).from_pretrained(folder).eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
x = tokenizer(texts, padding=True, return_tensors="pt")
start = torch.zeros(len(texts), 1, dtype=int)
extra = {} if "Seq2Seq" not in cls else {"decoder_input_ids": start}
out = model(**x, **extra).logits
out = out[:, 0] if extra else out
print(json.dumps({"logits": out.tolist(), "labels": model.config.id2label}))
assert "deft_sweeps" not in sys.modules
"""


@pytest.mark.parametrize("name", ["T5 classes", "BERT classes", "masked LoRA on a pruned base"])
def test_plain_transformers_gives_the_scores_at_threshold_zero(name: str, tmp_path: Path) -> None:
    model, task, settings, _ = CASES[name]
    manifest = bundle_of(tiny_sweep(tmp_path, model, task, **settings), tmp_path / "out")
    texts = [one.text for one in read_splits(manifest.training.config.task).test[:8]]
    writes = model == "t5"
    cls = "AutoModelForSeq2SeqLM" if writes else "AutoModelForSequenceClassification"
    prompts = [manifest.task.prompt.replace("{text}", text) for text in texts] if writes else texts
    ended = subprocess.run(
        [sys.executable, "-c", _PLAIN, str(tmp_path / "out" / "hf"), cls, json.dumps(prompts)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
        timeout=600,
    )
    said = json.loads(ended.stdout.splitlines()[-1])
    examples = [Example(text, "", "") for text in texts]
    ours = np.stack(open_runtime(tmp_path / "out", "torch@0", 2).outputs(examples).scores)
    logits = np.array(said["logits"])
    if writes:
        first = [ids[0] for ids in manifest.task.class_ids]
        shares = logits[:, first] - logits[:, first].mean(-1, keepdims=True)
        np.testing.assert_allclose(shares, ours - ours.mean(-1, keepdims=True), atol=1e-4)
    else:
        assert said["labels"] == {str(i): name for i, name in enumerate(manifest.task.classes)}
        np.testing.assert_allclose(logits, ours, atol=1e-4)


def test_a_percentile_is_exported_with_the_blocks_own_thresholds(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, activation="relu", evaluation=", percentiles: [0.9]")
    (trial_id,) = sweep.trial_ids()
    choice = choose_export(sweep.root, trial=trial_id, percentile=0.9)
    manifest = export_choice(choice, tmp_path / "out", ["onnx"])
    assert manifest.training.percentile == 0.9
    assert manifest.training.block_thresholds == choice.point.block_thresholds
    assert len(set(manifest.training.block_thresholds)) > 1
    validation = read_splits(manifest.training.config.task).validation
    texts, labels = [one.text for one in validation], [one.label for one in validation]
    outputs = {}
    for name in ("torch", "torch@0", "sparse", "onnx"):
        opened = open_runtime(tmp_path / "out", name, 2)
        outputs[name] = np.stack(opened.outputs(as_examples(manifest.task, texts)).scores)
    np.testing.assert_allclose(outputs["sparse"], outputs["torch"], atol=1e-4)
    np.testing.assert_allclose(outputs["onnx"], outputs["torch"], atol=1e-4)
    assert abs(outputs["torch@0"] - outputs["torch"]).max() > 1e-2
    scored = deft_sweeps.load(tmp_path / "out", n_threads=2).score(texts, labels)
    assert scored.value == choice.point.score.value
    for wanted, message in (
        (
            {"trial": trial_id, "percentile": 0.5},
            "not measured at percentile 0.5; it was at 0, 0.05, p0.9",
        ),
        (
            {"trial": trial_id, "percentile": 0.9, "threshold": 0.05},
            "takes the place of --threshold",
        ),
        ({"percentile": 0.9}, "goes with --trial alone"),
    ):
        with pytest.raises(ConfigError, match=message):
            choose_export(sweep.root, **wanted)


def test_what_cannot_be_exported_is_told_all_at_once(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, "bert", CLASSES, peft="adapter: {reduction: 8}")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("mine")
    with pytest.raises(ConfigError) as refused:
        bundle_of(sweep, tmp_path / "out", "ct2", "hf", "tensorrt")
    message = str(refused.value)
    for part in ("is there already", "no target 'tensorrt'", "--target ct2", "--target hf"):
        assert part in message
    assert (tmp_path / "out" / "file").read_text() == "mine"


def test_trial_and_threshold_are_looked_up(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path)
    (trial_id,) = sweep.trial_ids()
    with pytest.raises(ConfigError, match="no complete trial"):
        choose_export(sweep.root, trial="none")
    with pytest.raises(ConfigError, match=r"not measured at threshold 0.3; it was at 0, 0.05"):
        choose_export(sweep.root, trial=trial_id, threshold=0.3)
    with pytest.raises(ConfigError, match="goes with --trial"):
        choose_export(sweep.root, threshold=0.05)
    with pytest.raises(ConfigError, match="policy"):
        choose_export(sweep.root, policy="best nothing")
    chosen = choose_export(sweep.root)
    assert chosen.trial.trial_id == trial_id
    assert chosen.answer.verdict.startswith("CHOSEN, NOT CERTIFIED")

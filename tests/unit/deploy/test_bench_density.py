"""The density of a bundle beside that of its trial, as a sweep measures it on the test split."""

from pathlib import Path
from typing import Any

import pytest

from deft_sweeps.config.trial import Evaluation
from deft_sweeps.deploy.bench_density import activation_density
from deft_sweeps.deploy.bench_process import read_examples, write_examples
from deft_sweeps.deploy.bundle_reader import open_runtime
from deft_sweeps.store.weights_file import read_weights
from deft_sweeps.tasks.check import read_splits
from deft_sweeps.trial.final_job import FinalJob
from deft_sweeps.trial.final_measurement import measure_final
from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory
from tests.unit.deploy.made_bundles import CLASSES, QUESTIONS, WRITTEN, bundle_of, tiny_sweep

THRESHOLD = 0.05
CASES = {
    "T5 classes": ("t5", CLASSES),
    "T5 text": ("t5", WRITTEN),
    "T5 answers": ("t5", QUESTIONS),
    "BERT answers": ("bert", QUESTIONS),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_density_that_the_trial_is_measured_by(case: str, tmp_path: Path) -> None:
    model, task = CASES[case]
    sweep = tiny_sweep(tmp_path, model, task, activation="relu")
    training = bundle_of(sweep, tmp_path / "out", threshold=THRESHOLD).training
    test = list(read_splits(training.config.task).test)
    write_examples(tmp_path / "examples.json", test)
    examples = read_examples(tmp_path / "examples.json")
    assert examples == test
    opened: Any = open_runtime(tmp_path / "out", "torch", 2)
    density = activation_density(
        opened.runtime.model,
        opened.runtime.gates,
        opened.decoder.plan,
        examples,
        pad_id=opened.tokenizer.pad_token_id,
        batch_size=7,
    )
    weights = read_weights(sweep.weights_path(training.trial_id))
    job = FinalJob("chosen", training.config, training.seed, weights, threshold=THRESHOLD)
    measured = measure_final(job, TorchTrialStarterFactory(Evaluation(), 1)).point
    assert density == pytest.approx(measured.density.overall, abs=1e-4)

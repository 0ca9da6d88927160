"""A tiny model of the real architecture with the real tokenizer, and a few lines of labelled text, as a user would bring them."""

from pathlib import Path

import pytest

from deft_sweeps.config.data import FileTask, Splits
from deft_sweeps.config.trial import Evaluation, TrialConfig
from deft_sweeps.trial.run import Bench, BenchMaker
from tests.tiny import save_tiny, write_reviews


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> TrialConfig:
    """A configuration that trains in milliseconds a step."""
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder / "model", packaged_model)
    path = write_reviews(folder / "reviews.csv")
    splits = Splits(validation=20, test=20)
    return TrialConfig(model=str(folder / "model"), task=FileTask(path=str(path), max_input_tokens=16, splits=splits), dtype="fp32")


@pytest.fixture
def bench() -> Bench:
    return BenchMaker(Evaluation(thresholds=(0.0, 0.05, 0.3), objective_threshold=0.05, batch_size=8, latency_repeats=2))()


@pytest.fixture(scope="session")
def folder(tiny_config: TrialConfig) -> Path:
    return Path(tiny_config.model).parent

"""Inputs that are longer than a model's table of positions are refused before a trial starts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from deft_sweeps.cli.app import app
from deft_sweeps.config.axes import PromptTuning
from deft_sweeps.config.compat import length_problem
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import PUBLISHED_CONFIGS, layout
from tests.tiny import ENCODER_SHAPE, layout_of, tiny_encoder, tiny_t5, write_reviews


def with_length(n_tokens: int) -> TrialConfig:
    """A configuration with virtual tokens, which take no positions."""
    return TrialConfig(
        task=FileTask(path="x.csv", max_input_tokens=n_tokens), peft=PromptTuning(virtual_tokens=60)
    )


@pytest.mark.parametrize(
    ("name", "n_positions"),
    [("bert-base-uncased", 512), ("roberta-large", 512), ("distilbert-base-cased", 512)],
)
def test_the_largest_length_that_fits_is_named(name: str, n_positions: int) -> None:
    shape = layout(PUBLISHED_CONFIGS[name])
    assert length_problem(with_length(n_positions), shape) == ""
    problem = length_problem(with_length(n_positions + 1), shape)
    assert problem.startswith(f"max_input_tokens {n_positions + 1} is more than the {n_positions}")
    assert problem.endswith(f"at most {n_positions} fits")


def test_relative_positions_have_no_limit() -> None:
    shape = layout(PUBLISHED_CONFIGS["google/flan-t5-small"])
    assert shape.n_positions is None
    assert length_problem(with_length(100_000), shape) == ""


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_the_limit_is_that_of_the_real_model(family: str) -> None:
    model: Any = tiny_encoder(family)
    n_positions = ENCODER_SHAPE["max_position_embeddings"] - (family == "roberta") * 2
    assert layout_of(model).n_positions == n_positions
    ids = torch.full((1, n_positions + 1), 7)
    with torch.no_grad():
        model(ids[:, 1:], attention_mask=torch.ones_like(ids[:, 1:]))
        with pytest.raises((IndexError, RuntimeError)):
            model(ids, attention_mask=torch.ones_like(ids))
    writer: Any = tiny_t5()
    assert layout_of(writer).n_positions is None


def test_validate_and_run_refuse_the_setting(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    made = tmp_path / "spec.yaml"
    made.write_text(
        "name: long\nmodel: packaged/minilm-l6\ntask:\n  kind: files\n"
        f"  path: {data}\n  max_input_tokens: 513\n  splits: {{validation: 20, test: 20}}\n"
        "space: {density: [none, loss]}\nbudget: {trials: 2}\n"
    )
    for command in (["validate"], ["run", "--out", str(tmp_path / "out")]):
        done = CliRunner().invoke(app, [command[0], str(made), *command[1:]])
        assert done.exit_code == 2
        assert f"{made}:6:21: max_input_tokens 513 is more than the 512 positions" in done.stderr
    assert not (tmp_path / "out").exists()

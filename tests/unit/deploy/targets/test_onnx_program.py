"""What is exported, before it is exported: every kind of trial, in torch, against the trial."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deft_sweeps.config.axes import AdaDeft, Lora, Magnitude, Nf4
from deft_sweeps.config.compat import shape_problems
from deft_sweeps.deploy.float32_model import float32_model
from deft_sweeps.deploy.targets.onnx_program import (
    ClassProgram,
    HeadProgram,
)
from tests.conformance.axis_settings import SOME
from tests.tiny import HEAD_FAMILIES, layout_of, tiny_encoder
from tests.unit.deploy.made_trials import (
    FIRST_TOKENS,
    METHODS,
    NAMES,
    SHAPES,
    WHOLE_LABELS,
    as_tensors,
    encoder_trial_config,
    inputs_of,
    job_of,
    pruned_for,
    t5_trial_config,
    torch_class_scores,
    torch_head_logits,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("class_ids", [FIRST_TOKENS, WHOLE_LABELS], ids=["first", "whole"])
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_classes_are_scored_as_the_trial_does_with_every_method(
    folder: Path, method: Any, class_ids: tuple[tuple[int, ...], ...]
) -> None:
    config = t5_trial_config(folder, activation="relu", **pruned_for(method))
    job = job_of(config, "classification", class_ids=class_ids)
    copy = float32_model(job)
    program = ClassProgram(copy.model, copy.base.layout, class_ids)
    for shape in SHAPES:
        inputs = inputs_of(*shape)
        expected = torch_class_scores(job.trial_model, inputs, class_ids, job.threshold)
        scores = program(**as_tensors(inputs))["log_probabilities"]
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", HEAD_FAMILIES)
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_heads_answer_as_the_trials_with_every_method(
    folder: Path, family: str, method: Any
) -> None:
    config = encoder_trial_config(folder, family, **pruned_for(method))
    if problems := shape_problems(config, layout_of(tiny_encoder(family))):
        pytest.skip(problems[0])
    job = job_of(config, "classification")
    program = HeadProgram(float32_model(job).model)
    for shape in SHAPES:
        inputs = inputs_of(*shape, segments=family == "bert")
        expected = torch_head_logits(job.trial_model, inputs, job.threshold)
        logits = np.asarray(program(**as_tensors(inputs))["logits"])
        assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("settings", "removed"),
    [
        ({"adaptive": AdaDeft(skip=1)}, (1, 3)),
        ({"quantization": Nf4(double=True)}, ()),
        ({"quantization": Nf4(), "pruning": Magnitude()}, ()),
    ],
    ids=["ada", "nf4", "nf4 pruned"],
)
def test_removed_blocks_and_packed_weights_are_in_the_copy(
    folder: Path, settings: dict[str, Any], removed: tuple[int, ...]
) -> None:
    config = t5_trial_config(folder, peft=Lora(targets=SOME), **settings)
    job = job_of(config, "classification", class_ids=FIRST_TOKENS, removed=removed)
    copy = float32_model(job)
    assert all(p.dtype == torch.float32 for p in copy.model.parameters())
    inputs = inputs_of(5, 9)
    expected = torch_class_scores(job.trial_model, inputs, FIRST_TOKENS, job.threshold)
    scores = ClassProgram(copy.model, copy.base.layout, FIRST_TOKENS)(**as_tensors(inputs))
    np.testing.assert_allclose(scores["log_probabilities"], expected, rtol=0, atol=1e-4)


def test_blocks_have_their_own_thresholds(folder: Path) -> None:
    config = t5_trial_config(folder, peft=Lora(targets=SOME))
    thresholds = (0.0, 0.5, 0.1, 0.9, 0.2)
    job = job_of(
        config,
        "classification",
        class_ids=FIRST_TOKENS,
        threshold=0.0,
        block_thresholds=thresholds,
    )
    for at, value in zip(job.trial_model.gates, thresholds, strict=True):
        at.gate.block_threshold = value
    inputs = inputs_of(5, 9)
    expected = torch_class_scores(job.trial_model, inputs, FIRST_TOKENS, 0.0)
    copy = float32_model(job)
    scores = ClassProgram(copy.model, copy.base.layout, FIRST_TOKENS)(**as_tensors(inputs))
    np.testing.assert_allclose(scores["log_probabilities"], expected, rtol=0, atol=1e-4)


def test_the_copy_leaves_the_trial_as_it_was(folder: Path) -> None:
    config = t5_trial_config(folder, peft=Lora(targets=SOME))
    job = job_of(config, "classification", class_ids=FIRST_TOKENS)
    before = {name: t.clone() for name, t in job.trial_model.model.state_dict().items()}
    copy = float32_model(job)
    with torch.no_grad():
        for parameter in copy.model.parameters():
            parameter.zero_()
    after = job.trial_model.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert all(at.gate.threshold == 0 for at in job.trial_model.gates)

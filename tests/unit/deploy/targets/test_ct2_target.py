"""CTranslate2's conversions against the trial in torch, without a threshold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import T5Config

from deft_sweeps.config.axes import AdaDeft, Adapter, Ia3, Int8, Lora, PrefixTuning, PromptTuning
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.drift import EXACT, ROUNDED, score_drift, text_drift
from deft_sweeps.deploy.runtimes.ct2_runtime import Ct2Runtime
from deft_sweeps.deploy.target import ExportJob
from deft_sweeps.deploy.targets import ct2_conversion
from deft_sweeps.deploy.targets.ct2_target import CT2, CT2_INT8
from deft_sweeps.models.checkpoints import load_tokenizer
from tests.conformance.axis_settings import SOME
from tests.tiny import layout_of, tiny_encoder, tiny_t5
from tests.unit.deploy.made_trials import (
    FIRST_TOKENS,
    SHAPES,
    WHOLE_LABELS,
    inputs_of,
    job_of,
    torch_class_scores,
    torch_texts,
)

MAX_NEW_TOKENS = 8
N_IDS = 32000


def save_t5(folder: Path, tokenizer_of: str, *, tied: bool) -> None:
    model: Any = tiny_t5(vocab_size=32128)
    if not tied:
        model.config.tie_word_embeddings = model.config.scale_decoder_outputs = False
        model.lm_head.weight = nn.Parameter(torch.randn(32128, 32) * 0.1)
    model.save_pretrained(folder)
    load_tokenizer(tokenizer_of).save_pretrained(folder)


@pytest.fixture(scope="module")
def untied(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> TrialConfig:
    folder = tmp_path_factory.mktemp("untied")
    save_t5(folder, packaged_model, tied=False)
    return TrialConfig(
        model=str(folder), task=FileTask(path="given"), dtype="fp32", peft=Lora(targets=SOME)
    )


def text_job(config: TrialConfig, **settings: Any) -> ExportJob:
    return job_of(config, "classification", class_ids=FIRST_TOKENS, threshold=0.0, **settings)


def exported(job: ExportJob, folder: Path) -> Ct2Runtime:
    folder.mkdir()
    CT2.export(job, folder)
    return Ct2Runtime(folder)


def check(job: ExportJob, runtime: Ct2Runtime) -> None:
    for shape in SHAPES:
        inputs = inputs_of(*shape, n_ids=N_IDS, seed=4)
        for class_ids in (FIRST_TOKENS, WHOLE_LABELS):
            expected = torch_class_scores(job.trial_model, inputs, class_ids, 0.0)
            scores = runtime.class_log_probabilities(inputs, class_ids)
            np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)
        right = torch_texts(job.trial_model, inputs, 0.0, MAX_NEW_TOKENS)
        texts = runtime.generate(inputs, max_new_tokens=MAX_NEW_TOKENS)
        assert not text_drift(right, texts, EXACT).drifts


def test_an_untied_model(untied: TrialConfig, tmp_path: Path) -> None:
    job = text_job(replace(untied, activation="relu"))
    runtime = exported(job, tmp_path / "ct2")
    check(job, runtime)
    with pytest.raises(ValueError, match="not by a head"):
        runtime.head_outputs(inputs_of(1, 4))


def test_texts_that_end(untied: TrialConfig, tmp_path: Path) -> None:
    """An output layer that prefers the end token writes short and empty texts."""
    job = text_job(untied)
    model: Any = job.trial_model.model
    with torch.no_grad():
        model.get_output_embeddings().weight[1] *= 6
    runtime = exported(job, tmp_path / "ct2")
    inputs = inputs_of(12, 9, n_ids=N_IDS)
    right = torch_texts(job.trial_model, inputs, 0.0, MAX_NEW_TOKENS)
    lengths = {len(text.token_ids) for text in right}
    assert 0 in lengths
    assert any(0 < n < MAX_NEW_TOKENS for n in lengths)
    assert not text_drift(right, runtime.generate(inputs, max_new_tokens=8), EXACT).drifts


def test_a_tied_model(packaged_model: str, tmp_path: Path) -> None:
    save_t5(tmp_path / "t5", packaged_model, tied=True)
    config = TrialConfig(
        model=str(tmp_path / "t5"), task=FileTask(path="given"), dtype="fp32", peft=Ia3()
    )
    job = text_job(config)
    check(job, exported(job, tmp_path / "ct2"))


def test_removed_blocks(untied: TrialConfig, tmp_path: Path) -> None:
    job = text_job(replace(untied, adaptive=AdaDeft(skip=1)), removed=(1, 3))
    check(job, exported(job, tmp_path / "ct2"))


def test_the_gate_catches_the_conversion_that_is_not_mended(
    untied: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CTranslate2's own loader believes the configuration and scales an untied model's logits:
    every text is the same, and every log-probability wrong.
    """
    job = text_job(untied)
    mended = exported(job, tmp_path / "mended")
    as_loaded = T5Config.from_pretrained(untied.model).tie_word_embeddings
    monkeypatch.setattr(ct2_conversion, "scales_logits", lambda _: as_loaded)
    wrong = exported(job, tmp_path / "wrong")
    inputs = inputs_of(5, 9, n_ids=N_IDS)
    right = torch_texts(job.trial_model, inputs, 0.0, MAX_NEW_TOKENS)
    texts = wrong.generate(inputs, max_new_tokens=MAX_NEW_TOKENS)
    assert [text.token_ids for text in texts] == [text.token_ids for text in right]
    drift = text_drift(right, texts, ROUNDED)
    assert drift.changed_share == 0
    assert drift.drifts, "by the widest tolerance"
    expected = torch_class_scores(job.trial_model, inputs, FIRST_TOKENS, 0.0)
    for runtime, drifts in ((mended, False), (wrong, True)):
        scores = runtime.class_log_probabilities(inputs, FIRST_TOKENS)
        assert score_drift(expected, scores, EXACT).drifts == drifts


def test_int8_is_near_and_small(untied: TrialConfig, tmp_path: Path) -> None:
    job = text_job(untied)
    dense = exported(job, tmp_path / "ct2")
    (tmp_path / "int8").mkdir()
    CT2_INT8.export(job, tmp_path / "int8")
    runtime = Ct2Runtime(tmp_path / "int8")
    inputs = inputs_of(5, 9, n_ids=N_IDS)
    expected = torch_class_scores(job.trial_model, inputs, FIRST_TOKENS, 0.0)
    scores = runtime.class_log_probabilities(inputs, FIRST_TOKENS)
    assert 1e-4 < np.abs(scores - expected).max() < 1.0, "a random model, in nats"
    sizes = [(folder / "model.bin").stat().st_size for folder in (dense.folder, runtime.folder)]
    assert sizes[1] < 0.4 * sizes[0]


def test_what_cannot_be_exported_says_why(untied: TrialConfig) -> None:
    t5, bert = layout_of(tiny_t5()), layout_of(tiny_encoder("bert"))
    assert CT2.problems(untied, t5) == ()
    for method in (Adapter(), PromptTuning(), PrefixTuning()):
        (line,) = CT2.problems(replace(untied, peft=method), t5)
        assert "cannot be merged" in line
    (line,) = CT2.problems(untied, bert)
    assert "without the head" in line


def test_what_differs_is_stated(untied: TrialConfig) -> None:
    assert CT2.differences(untied, 0.0) == ()
    (line,) = CT2.differences(untied, 0.25)
    assert "0.25" in line
    assert len(CT2_INT8.differences(replace(untied, quantization=Int8(), dtype="bf16"), 0.1)) == 4

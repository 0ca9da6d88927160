"""Tiny trials as if they were trained, and what torch says of them: the reference of exports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray

from deft_sweeps.axes.activation.gate import thresholded
from deft_sweeps.axes.decoding import generated_lengths
from deft_sweeps.config.axes import Magnitude, Peft
from deft_sweeps.config.data import FileTask, Form, TaskKind
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.runtime import GeneratedText, ModelInputs
from deft_sweeps.deploy.target import ExportJob
from deft_sweeps.models.answering import EncoderDecoderAnswering, first_tokens_differ
from deft_sweeps.tasks.task_data import TaskData
from deft_sweeps.trial.base import build_base
from deft_sweeps.trial.build import TrialModel, build
from deft_sweeps.trial.heads import HeadSpec
from deft_sweeps.trial.predict import TokenConfidence
from tests.conformance.axis_settings import members, name_of
from tests.tiny import tiny_encoder, tiny_t5

END_ID = 1
FIRST_TOKENS = ((7, END_ID), (9, 10, END_ID))
WHOLE_LABELS = ((7, 8, END_ID), (7, 9, 10, END_ID), (7, END_ID))
"""Classes that share their first token."""

SHAPES = ((1, 1), (1, 40), (5, 9), (5, 40))
"""Examples and tokens; none is the shape that a program is traced with."""

METHODS = members(Peft)
NAMES = [name_of({"peft": method}) for method in METHODS]
"""Of every PEFT method with its switches."""

N_OUTPUTS = {"classification": 3, "regression": 1, "span": 2}


def t5_trial_config(folder: Path, **settings: Any) -> TrialConfig:
    """Of a tiny T5 that is saved into `folder` once."""
    if not (folder / "t5").is_dir():
        model: Any = tiny_t5()
        model.save_pretrained(folder / "t5")
    return _config(folder / "t5", settings)


def encoder_trial_config(folder: Path, family: str, **settings: Any) -> TrialConfig:
    if not (folder / family).is_dir():
        model: Any = tiny_encoder(family)
        model.save_pretrained(folder / family)
    return _config(folder / family, settings)


def pruned_for(method: Any) -> dict[str, Any]:
    """A masked update needs a pruned base."""
    return (
        {"peft": method, "pruning": Magnitude()}
        if getattr(method, "masked", False)
        else {"peft": method}
    )


def _config(folder: Path, settings: dict[str, Any]) -> TrialConfig:
    of_all: dict[str, Any] = {"task": FileTask(path="given"), "dtype": "fp32"}
    return TrialConfig(model=str(folder), **(of_all | settings))


def job_of(
    config: TrialConfig,
    kind: TaskKind,
    *,
    class_ids: tuple[tuple[int, ...], ...] = (),
    threshold: float = 0.3,
    block_thresholds: tuple[float, ...] = (),
    removed: Sequence[int] = (),
) -> ExportJob:
    """A trial whose trained parameters have moved; with class ids it answers by text."""
    form: Form = "text-to-text" if class_ids or kind == "text" else "head"
    data = _data(kind, form, class_ids)
    base = build_base(config, data, torch.device("cpu"))
    trial_model = build(base, config, 1, HeadSpec.of(data))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in trial_model.trained.items():
            if "block_gate" not in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    if removed:
        trial_model.remove(removed)
    trial_model.model.eval()
    n_outputs = N_OUTPUTS[kind] if form == "head" else 0
    return ExportJob(config, trial_model, data, threshold, block_thresholds, n_outputs)


def _data(kind: TaskKind, form: Form, class_ids: tuple[tuple[int, ...], ...]) -> TaskData:
    rows = Dataset.from_dict({"input_ids": [[5, 6, END_ID]] * 3, "label": [0, 1, 2]})
    return TaskData(
        kind=kind,
        form=form,
        train=rows,
        validation=rows,
        test=rows,
        references={"train": [0.0, 1.0, 2.0]},
        classes=("a", "b", "c"),
        class_ids=class_ids,
        metrics=("accuracy",),
        fingerprint="made",
    )


def inputs_of(
    n: int, n_tokens: int, *, segments: bool = False, n_ids: int = 96, seed: int = 0
) -> ModelInputs:
    """Random tokens; of several examples the last one is padded."""
    draw = np.random.default_rng(seed)
    ids = draw.integers(5, n_ids, (n, n_tokens))
    mask = np.ones_like(ids)
    if n > 1:
        ids[-1, n_tokens // 2 :] = mask[-1, n_tokens // 2 :] = 0
    types = draw.integers(0, 2, (n, n_tokens)) if segments else None
    return ModelInputs(ids, mask, types)


def as_tensors(inputs: ModelInputs) -> dict[str, torch.Tensor]:
    columns = {
        "input_ids": inputs.input_ids,
        "attention_mask": inputs.attention_mask,
        "token_type_ids": inputs.token_type_ids,
    }
    return {name: torch.tensor(ids) for name, ids in columns.items() if ids is not None}


@torch.no_grad()
def torch_class_scores(
    trained: TrialModel,
    inputs: ModelInputs,
    class_ids: Sequence[Sequence[int]],
    threshold: float,
) -> NDArray[np.float32]:
    tensors, model = as_tensors(inputs), trained.model
    with thresholded(trained.gates, threshold):
        if not first_tokens_differ(class_ids):
            whole = EncoderDecoderAnswering().whole_label_scores(model, tensors, class_ids)
            return np.asarray(whole)
        labels = torch.tensor([class_ids[0]] * len(inputs.input_ids))
        logits = model(**tensors, labels=labels, use_cache=False).logits
    first = logits[:, 0].log_softmax(-1)[:, [ids[0] for ids in class_ids]]
    return np.asarray(first)


@torch.no_grad()
def torch_head_logits(
    trained: TrialModel, inputs: ModelInputs, threshold: float
) -> NDArray[np.float32]:
    with thresholded(trained.gates, threshold):
        return np.asarray(trained.model(**as_tensors(inputs)).logits)


@torch.no_grad()
def torch_texts(
    trained: TrialModel, inputs: ModelInputs, threshold: float, max_new_tokens: int
) -> list[GeneratedText]:
    confidence = TokenConfidence(END_ID)
    with thresholded(trained.gates, threshold):
        out = EncoderDecoderAnswering().generate(
            trained.model,
            as_tensors(inputs),
            max_new_tokens=max_new_tokens,
            end_id=END_ID,
            processors=[confidence],
        )
    lengths = generated_lengths(out, [END_ID], 1)
    rows = zip(out.tolist(), lengths.tolist(), strict=True)
    written = [[token for token in row[1 : 1 + n] if token != END_ID] for row, n in rows]
    sure = zip(written, confidence.means(lengths).tolist(), confidence.empty.tolist(), strict=True)
    return [GeneratedText(tuple(ids), mean, empty) for ids, mean, empty in sure]

"""The lines of Python on a model card, run by an interpreter that does not load this package."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deft_sweeps.config.axes import Ia3, Int8, Lora, Nf4, PromptTuning
from deft_sweeps.config.data import FileTask
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.manifest import ADAPTER, MERGED, Manifest
from deft_sweeps.deploy.runtime import ModelInputs
from deft_sweeps.deploy.target import ExportJob
from deft_sweeps.deploy.targets.hf_target import HF
from deft_sweeps.deploy.transformers_example import transformers_example
from deft_sweeps.models.checkpoints import load_tokenizer
from tests.conformance.axis_settings import SOME
from tests.tiny import save_tiny, save_tiny_encoder, tiny_t5
from tests.unit.deploy.made_manifest import manifest_of
from tests.unit.deploy.made_trials import (
    END_ID,
    FIRST_TOKENS,
    WHOLE_LABELS,
    job_of,
    torch_class_scores,
    torch_head_logits,
    torch_texts,
)

WORDS = ("your text", "your second text", "your question", "your context")

RUN = """
import contextlib, io, json, os, sys
answers = []
for folder, code, value in json.load(sys.stdin):
    os.chdir(folder)
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    answers.append([printed.getvalue().strip(), eval(value, names)])
assert "deft_sweeps" not in sys.modules
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Case:
    """A bundle, its lines of Python, an expression to evaluate after them, and what is right."""

    folder: Path
    manifest: Manifest
    value: str
    right: Any
    printed: str


def inputs_of_text(job: ExportJob, *texts: str) -> ModelInputs:
    tokenizer = load_tokenizer(job.config.checkpoint)
    made = tokenizer(*texts, return_tensors="np")
    return ModelInputs(made["input_ids"], made["attention_mask"], made.get("token_type_ids"))


def exported(job: ExportJob, folder: Path, form: str) -> Manifest:
    (folder / "hf").mkdir(parents=True)
    HF.export(job, folder / "hf")
    if form == MERGED:
        return manifest_of(job, form=form)
    (folder / "base").symlink_to(job.config.model)
    return manifest_of(job, form=form, folder="base")


def written_classes(
    job: ExportJob, folder: Path, ids: tuple[tuple[int, ...], ...], form: str = MERGED
) -> Case:
    manifest = exported(job, folder, form)
    [right] = torch_class_scores(job.trial_model, inputs_of_text(job, "say: Your text"), ids, 0.0)
    value = "[-loss for loss in losses.values()]"
    if ids == FIRST_TOKENS:
        value = "[scores.log_softmax(-1)[first].item() for first in classes.values()]"
    return Case(folder, manifest, value, right, manifest.task.classes[int(right.argmax())])


def written_text(job: ExportJob, folder: Path, form: str) -> Case:
    manifest = exported(job, folder, form)
    [text] = torch_texts(job.trial_model, inputs_of_text(job, "say: Your text"), 0.0, 8)
    decoded = load_tokenizer(job.config.checkpoint).decode(text.token_ids).strip()
    value = f"[i for i in written[0].tolist()[1:] if i != {END_ID}]"
    return Case(folder, manifest, value, list(text.token_ids), decoded)


def answered_by_head(job: ExportJob, folder: Path, *texts: str) -> Case:
    manifest = exported(job, folder, MERGED)
    [right] = torch_head_logits(job.trial_model, inputs_of_text(job, *texts), 0.0)
    value, printed = "model(**inputs).logits[0].tolist()", ""
    if job.data.kind == "classification":
        printed = manifest.task.classes[int(right.argmax())]
    if job.data.kind == "span":
        value = "torch.stack([out.start_logits[0], out.end_logits[0]], -1).tolist()"
        value = f"__import__('torch').{value.removeprefix('torch.')}"
    return Case(folder, manifest, value, right, printed)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory, packaged_model: str) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("bundles")
    # As deep as its decoder: transformers makes the cache of generation as deep as the encoder.
    model: Any = tiny_t5(vocab_size=32128, n_encoder=3)
    model.save_pretrained(folder / "t5")
    load_tokenizer(packaged_model).save_pretrained(folder / "t5")
    task = FileTask(path="given", template="say: {text}")
    t5 = TrialConfig(model=str(folder / "t5"), task=task, dtype="fp32", peft=Lora(targets=SOME))
    for family in ("bert", "roberta", "distilbert"):
        save_tiny_encoder(folder / family, family, WORDS)

    def of(family: str, task: FileTask) -> TrialConfig:
        model = str(folder / family)
        return TrialConfig(model=model, task=task, dtype="fp32", activation="relu", peft=Lora())

    pair = FileTask(path="given", text_pair="second")
    qa = FileTask(path="given", task="qa")
    number = FileTask(path="given", task="regression")
    first = job_of(replace(t5, activation="relu"), "classification", class_ids=FIRST_TOKENS)
    whole = job_of(replace(t5, peft=Ia3()), "classification", class_ids=WHOLE_LABELS)
    prompt = replace(t5, peft=PromptTuning(virtual_tokens=3))
    return {
        "first tokens": written_classes(first, folder / "1", FIRST_TOKENS),
        "whole labels": written_classes(whole, folder / "2", WHOLE_LABELS),
        "adapter": written_classes(
            job_of(prompt, "classification", class_ids=FIRST_TOKENS),
            folder / "3",
            FIRST_TOKENS,
            ADAPTER,
        ),
        "text": written_text(job_of(t5, "text"), folder / "4", MERGED),
        "text of an adapter": written_text(job_of(prompt, "text"), folder / "5", ADAPTER),
        "pair": answered_by_head(
            job_of(of("bert", pair), "classification"),
            folder / "6",
            "Your text",
            "Your second text",
        ),
        "number": answered_by_head(
            job_of(of("distilbert", number), "regression"), folder / "7", "Your text"
        ),
        "span": answered_by_head(
            job_of(of("roberta", qa), "span"), folder / "8", "Your question", "Your context"
        ),
    }


@pytest.fixture(scope="module")
def answers(cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    jobs = [
        [str(case.folder), transformers_example(case.manifest), case.value]
        for case in cases.values()
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(cases, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize(
    "name",
    [
        "first tokens",
        "whole labels",
        "adapter",
        "text",
        "text of an adapter",
        "pair",
        "number",
        "span",
    ],
)
def test_the_lines_compute_what_the_trial_does(
    name: str, cases: dict[str, Case], answers: dict[str, Any]
) -> None:
    printed, value = answers[name]
    np.testing.assert_allclose(value, cases[name].right, atol=1e-4)
    if cases[name].printed:
        assert printed == cases[name].printed


def test_lines_are_python_whatever_the_names_hold(tmp_path: Path, packaged_model: str) -> None:
    save_tiny(tmp_path / "t5", packaged_model)
    task = FileTask(path="given", template='"""\'{text}\n```\u202e')
    config = TrialConfig(model=str(tmp_path / "t5"), task=task, dtype="fp32")
    manifest = manifest_of(
        job_of(config, "classification", class_ids=FIRST_TOKENS), form=MERGED, name="x"
    )
    hostile = ("'); import os #", 'b"\n\u202e')
    manifest = replace(manifest, task=replace(manifest.task, classes=hostile))
    code = transformers_example(manifest)
    compile(code, "card", "exec")
    assert "\u202e" not in code
    line = next(line for line in code.splitlines() if line.startswith("classes"))
    names: dict[str, Any] = {}
    exec(line, names)
    assert tuple(names["classes"]) == hostile


def test_a_packed_base_is_packed_again() -> None:
    config = TrialConfig(model="google/flan-t5-small", quantization=Nf4(double=True))
    made = _of_config(config)
    code = transformers_example(made)
    compile(code, "card", "exec")
    assert "load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True" in code
    assert "'google/flan-t5-small', revision='" + "0" * 64 in code
    assert "dtype=torch.bfloat16" in code
    of_int8 = replace(config, quantization=Int8(outlier_threshold=5.0))
    code = transformers_example(_of_config(of_int8))
    assert "BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=5.0)" in code
    (line,) = HF.differences(config, 0.0)
    assert "unpacked" in line
    assert HF.differences(of_int8, 0.0) == ()
    packaged = _of_config(replace(config, model="packaged/flan-t5-small-title"))
    assert transformers_example(packaged) == "", "transformers knows no such name"
    assert transformers_example(replace(made, artifacts=())) == ""


def _of_config(config: TrialConfig) -> Manifest:
    data: Any = type(
        "Data",
        (),
        {
            "kind": "text",
            "form": "text-to-text",
            "classes": (),
            "class_ids": (),
            "metrics": ("accuracy",),
            "fingerprint": "f",
        },
    )
    return manifest_of(ExportJob(config, None, data, 0.0), form=ADAPTER)  # type: ignore[arg-type]

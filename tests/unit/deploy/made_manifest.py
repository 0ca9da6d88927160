"""Manifests of made trials, without an export."""

from typing import Any

from deft_sweeps.deploy.manifest import (
    Answer,
    Artifact,
    BaseModel,
    Manifest,
    TaskContract,
    TrainedWeights,
)
from deft_sweeps.deploy.target import ExportJob
from deft_sweeps.tasks.prepare import prompt_of


def manifest_of(job: ExportJob, *, form: str = "", folder: str = "", **parts: Any) -> Manifest:
    """Of a bundle that holds `hf` if it has a form."""
    data, config = job.data, job.config
    writes = data.form == "text-to-text"
    classes = data.classes[: len(data.class_ids) or None] if data.kind == "classification" else ()
    task = TaskContract(
        kind=data.kind,
        form=data.form,
        prompt=prompt_of(config.task) if writes else "",
        classes=classes,
        class_ids=data.class_ids,
        takes_pairs=data.kind == "span" or "{text_pair}" in prompt_of(config.task),
        max_new_tokens=8 if writes and data.kind != "classification" else 0,
        metrics=data.metrics,
    )
    made: dict[str, Any] = {
        "name": "made",
        "created": "2026-01-01T00:00:00+00:00",
        "base": BaseModel(name=config.checkpoint, revision="0" * 64, folder=folder),
        "training": TrainedWeights(trial_id="t-s1", seed=1, config=config, threshold=job.threshold),
        "task": task,
        "fingerprint": data.fingerprint,
        "splits": {"train": 3, "test": 3},
        "answer": Answer(verdict="SHIP: this one"),
        "artifacts": (Artifact(target="hf", form=form, file_bytes=1 << 20),) if form else (),
        "versions": {"python": "3.11.7"},
        "files": {},
    }
    return Manifest(**(made | parts))

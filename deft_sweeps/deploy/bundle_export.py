"""Writes a bundle: a front member with everything that serving it takes."""

import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deft_sweeps.atomic_build import build_folder
from deft_sweeps.config.axes import Unquantized
from deft_sweeps.config.data import FileTask, Task, local_path
from deft_sweeps.deploy.exported_choice import ExportedChoice
from deft_sweeps.deploy.manifest import (
    BASE_NAME,
    MERGED,
    NOT_STATED,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    Artifact,
    BaseModel,
    Manifest,
    TaskContract,
    TrainedWeights,
)
from deft_sweeps.deploy.manifest_file import file_digests, read_manifest
from deft_sweeps.deploy.model_card import write_description
from deft_sweeps.deploy.target import ExportJob, Target
from deft_sweeps.deploy.targets.export_targets import TARGETS
from deft_sweeps.deploy.targets.hf_target import activation_settings, form_of
from deft_sweeps.errors import ConfigError, MissingExtraError, Problem
from deft_sweeps.extras import require
from deft_sweeps.models.families import layout
from deft_sweeps.result import CompleteTrial, Point
from deft_sweeps.store.spec_origin import spec_folder
from deft_sweeps.store.weights_file import read_weights

_PACKAGES = ("deft-sweeps", "torch", "transformers", "peft", "tokenizers", "safetensors")


@dataclass(frozen=True, slots=True)
class _Built:
    """The trial's model and its data, as the sweep measured them."""

    job: ExportJob
    starter: Any
    located: Any


def export_choice(
    choice: ExportedChoice,
    out: Path,
    targets: Sequence[str] = ("hf",),
    say: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write the bundle of one point of a sweep; `out` appears whole or not at all.

    Args:
        choice: what to export, see `exported_choice.choose_export`.
        out: a folder that does not exist, or is empty.
        targets: names of formats; `hf` is always written where it can be.
        say: is told each step in a line.

    Raises:
        ConfigError: lists everything that stands in the way.
        StoreError: the trial's weights are missing or damaged.
        CheckpointError, DataError: base model or data cannot be had.
    """
    from deft_sweeps.models.quiet_loading import quiet_loading

    wanted = tuple(dict.fromkeys(("hf", *targets)))
    _refuse_impossible(choice, out, wanted, requested=set(targets))
    if out.is_dir():
        out.rmdir()
    say(f"building {choice.trial.trial_id} again from its base")
    with quiet_loading():
        built = _build(choice)
        build_folder(out, lambda folder: _write(folder, choice, built, wanted, say))
    return read_manifest(out)


def _refuse_impossible(
    choice: ExportedChoice, out: Path, wanted: Sequence[str], requested: set[str]
) -> None:
    problems = []
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        problems.append(
            Problem(str(out), "is there already", "name a new folder, or remove this one")
        )
    for name in wanted:
        target = TARGETS.get(name)
        if target is None:
            choices = ", ".join(TARGETS)
            problems.append(Problem("--target", f"no target {name!r}; there are {choices}"))
            continue
        problems += _missing_packages(target)
    checked = [TARGETS[name] for name in wanted if name in requested and name in TARGETS]
    if checked:
        shape = _layout(choice)
        problems += [
            Problem(f"--target {target.name}", reason)
            for target in checked
            for reason in target.problems(choice.trial.config, shape)
        ]
    if problems:
        raise ConfigError(problems)


def _missing_packages(target: Target) -> list[Problem]:
    if not target.extra:
        return []
    try:
        require(target.extra)
    except MissingExtraError as error:
        return [Problem(f"--target {target.name}", str(error))]
    return []


def _layout(choice: ExportedChoice) -> Any:
    from deft_sweeps.models.checkpoints import read_config
    from deft_sweeps.tasks.location import located_checkpoint

    folder = str(spec_folder(choice.sweep.spec_path))
    return layout(read_config(located_checkpoint(choice.trial.config, folder)))


def _build(choice: ExportedChoice) -> _Built:
    from deft_sweeps.tasks.location import located
    from deft_sweeps.trial.build import build
    from deft_sweeps.trial.heads import HeadSpec
    from deft_sweeps.trial.starter_factory import TorchTrialStarterFactory

    trial, folder = choice.trial, str(spec_folder(choice.sweep.spec_path))
    weights = read_weights(choice.sweep.weights_path(trial.trial_id))
    n_threads = len(os.sched_getaffinity(0))
    starter = TorchTrialStarterFactory(choice.spec.evaluation, n_threads, folder=folder)()
    data = starter.data(trial.config)
    head = HeadSpec.of(data)
    made = build(starter.base(trial.config, data), trial.config, trial.seed, head)
    made.load(weights)
    point = choice.point
    job = ExportJob(
        trial.config,
        made,
        data,
        0.0 if point.block_thresholds else point.threshold,
        point.block_thresholds,
        0 if head is None else head.n_outputs,
    )
    return _Built(job, starter, located(trial.config, folder))


def _write(
    folder: Path,
    choice: ExportedChoice,
    built: _Built,
    wanted: Sequence[str],
    say: Callable[[str], None],
) -> None:
    from deft_sweeps.models.checkpoints import load_tokenizer
    from deft_sweeps.trial.run_provenance import versions

    job, trial = built.job, choice.trial
    shape = job.trial_model.base.layout
    shutil.copyfile(choice.sweep.weights_path(trial.trial_id), folder / WEIGHTS_NAME)
    load_tokenizer(job.trial_model.base.key.model).save_pretrained(folder / TOKENIZER_NAME)
    artifacts, unavailable = [], {}
    for name in wanted:
        target = TARGETS[name]
        if reasons := target.problems(trial.config, shape):
            unavailable[name] = "; ".join(reasons)
            say(f"{target.title}: not written: {unavailable[name]}")
            continue
        say(f"{target.title}: writing {name}/")
        into = folder / name
        into.mkdir()
        target.export(job, into)
        artifacts.append(
            Artifact(
                target=name,
                form=form_of(trial.config, shape) if name == "hf" else "",
                file_bytes=sum(path.stat().st_size for path in into.rglob("*") if path.is_file()),
                differences=target.differences(trial.config, _highest(choice.point)),
            )
        )
    manifest = Manifest(
        name=choice.spec.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base=_base(folder, built, form=artifacts[0].form if artifacts else ""),
        training=_training(trial, choice.point),
        task=_contract(job),
        fingerprint=job.data.fingerprint,
        splits=_split_sizes(job.data),
        data_note="; ".join(job.data.notes),
        data_folder=str(spec_folder(choice.sweep.spec_path)),
        answer=choice.answer,
        figures=choice.figures,
        test_scores=choice.test_scores,
        artifacts=tuple(artifacts),
        unavailable=unavailable,
        versions={"python": platform.python_version(), **versions(_PACKAGES)},
        files={},
    )
    write_description(folder, replace(manifest, files=file_digests(folder)))


def _highest(point: Point) -> float:
    return max(point.block_thresholds or (point.threshold,))


def _base(folder: Path, built: _Built, form: str) -> BaseModel:
    from deft_sweeps.models.checkpoint_license import checkpoint_license

    base, config = built.job.trial_model.base, built.job.config
    is_local = local_path(built.located.model).is_dir()
    # A merged model holds the base's weights itself. Otherwise a base is copied that nobody else
    # has: pruned here, or a folder of this machine.
    copied = form != MERGED and (is_local or not config.pruning.is_none)
    if copied:
        _copy_base(folder / BASE_NAME, built)
    model: Any = base.model
    license_name, source = checkpoint_license(built.located.model, model.config.to_dict())
    return BaseModel(
        name=config.checkpoint,
        revision=base.revision,
        folder=BASE_NAME if copied else "",
        license=license_name or NOT_STATED,
        license_source=source,
    )


def _copy_base(into: Path, built: _Built) -> None:
    """Write the dense base: pruned, not yet packed, with its activation in the config."""
    from deft_sweeps.models.checkpoints import load_tokenizer
    from deft_sweeps.trial.base import build_base

    job = built.job
    dense = replace(built.located, quantization=Unquantized(), dtype="fp32")
    model: Any = build_base(dense, job.data, built.starter.device).model
    for name, value in activation_settings(job.trial_model).items():
        setattr(model.config, name, value)
    model.save_pretrained(into, safe_serialization=True)
    load_tokenizer(job.trial_model.base.key.model).save_pretrained(into)


def _training(trial: CompleteTrial, point: Point) -> TrainedWeights:
    return TrainedWeights(
        trial_id=trial.trial_id,
        seed=trial.seed,
        config=trial.config,
        threshold=point.threshold,
        percentile=point.percentile,
        block_thresholds=point.block_thresholds,
        removed=trial.skipped,
    )


def _contract(job: ExportJob) -> TaskContract:
    from deft_sweeps.tasks.prepare import prompt_of
    from deft_sweeps.trial.heads import mean_target

    data, task = job.data, job.config.task
    longest = 0
    if data.form == "text-to-text":
        longest = max(map(len, data.class_ids or data.test["target_ids"]))
    return TaskContract(
        kind=data.kind,
        form=data.form,
        prompt=prompt_of(task) if data.form == "text-to-text" else "",
        classes=data.classes,
        class_ids=data.class_ids,
        takes_pairs=_takes_pairs(task),
        may_be_none=data.may_be_none,
        max_new_tokens=longest,
        middle=mean_target(data) if data.kind == "regression" else 0.0,
        metrics=data.metrics,
    )


def _takes_pairs(task: Task) -> bool:
    from deft_sweeps.tasks.prepare import prompt_of

    has_second = isinstance(task, FileTask) and task.text_pair is not None
    return has_second or "{text_pair}" in prompt_of(task)


def _split_sizes(data: Any) -> dict[str, int]:
    names = ("train", "validation", "selection", "test")
    splits = {name: getattr(data, name) for name in names}
    return {name: len(rows) for name, rows in splits.items() if rows is not None}

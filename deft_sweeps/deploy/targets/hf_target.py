"""A folder that plain transformers opens: the whole model with everything merged, or an adapter in
peft's own format beside the base.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.manifest import ADAPTER, MERGED
from deft_sweeps.deploy.target import ExportJob, Target
from deft_sweeps.deploy.targets.stated_difference import without_threshold
from deft_sweeps.models.families import family_of

if TYPE_CHECKING:
    from deft_sweeps.trial.build import TrialModel


def form_of(config: TrialConfig, layout: Layout) -> str:
    """MERGED, ADAPTER, or empty where plain transformers cannot express the configuration."""
    if config.peft.merges and config.quantization.is_none:
        return MERGED
    has_head = family_of(layout).head is not None
    if has_head or not config.peft.opens_with_peft or not config.adaptive.is_none:
        return ""
    return ADAPTER


def _problems(config: TrialConfig, layout: Layout) -> tuple[str, ...]:
    if form_of(config, layout):
        return ()
    separate = "a quantized base" if config.peft.merges else "a PEFT method that cannot be merged"
    if not config.peft.opens_with_peft:
        reason = f"neither transformers nor peft has the modules of this {config.peft.kind}"
    elif not config.adaptive.is_none:
        reason = f"blocks were removed beside {separate}, which peft's format cannot say"
    else:
        reason = f"the trained head cannot stand beside {separate} in peft's format"
    return (f"{reason}; `deft_sweeps.load` opens the bundle without it",)


def _differences(config: TrialConfig, threshold: float) -> tuple[str, ...]:
    lines = without_threshold(threshold)
    merges = config.peft.merges and config.quantization.is_none
    if merges and config.dtype != "fp32":
        lines.append(f"is saved in float32, where the trial computed in {config.dtype}")
    if "load_in_4bit" in config.quantization.bitsandbytes_settings:
        # Of T5, the only family that is exported beside a packed base.
        lines.append(
            "leaves the MLP's last projection unpacked, as transformers does, where the trial"
            f" packed it to {config.quantization.label}"
        )
    return tuple(lines)


def _export(job: ExportJob, folder: Path) -> None:
    """Write safetensors, config.json and the tokenizer."""
    from deft_sweeps.models.checkpoints import load_tokenizer

    layout = job.trial_model.base.layout
    if form_of(job.config, layout) == MERGED:
        _export_merged(job, folder)
    else:
        _export_adapter(job, folder)
    load_tokenizer(job.trial_model.base.key.model).save_pretrained(folder)


def _export_merged(job: ExportJob, folder: Path) -> None:
    from deft_sweeps.deploy.float32_model import fill_removed_blocks_, float32_model
    from deft_sweeps.models.quiet_loading import quiet_loading

    made = float32_model(job)
    fill_removed_blocks_(made)
    with quiet_loading():
        model: Any = _with_own_head(job, made) if job.n_outputs else made.model
        for name, value in activation_settings(made).items():
            setattr(model.config, name, value)
        model.save_pretrained(folder, safe_serialization=True)


def _with_own_head(job: ExportJob, made: "TrialModel") -> Any:
    """The family's own model for the task, with the trained encoder and head."""
    import torch
    import transformers

    headed: Any = made.model
    head = family_of(made.base.layout).head
    if head is None:
        raise ValueError("expected a model with a head")
    is_span = job.data.kind == "span"
    config = deepcopy(headed.encoder.config)
    config.num_labels = job.n_outputs
    if job.data.kind == "classification":
        config.id2label = dict(enumerate(job.data.classes))
        config.label2id = {name: number for number, name in enumerate(job.data.classes)}
    if not is_span:
        is_number = job.data.kind == "regression"
        config.problem_type = "regression" if is_number else "single_label_classification"
    name = "AutoModelForQuestionAnswering" if is_span else "AutoModelForSequenceClassification"
    model: Any = getattr(transformers, name).from_config(config)
    encoder = getattr(model, model.base_model_prefix)
    # A pooler that the task does not read has no place there.
    encoder.load_state_dict(_fitting(headed.encoder.state_dict(), encoder.state_dict()))
    with torch.no_grad():
        parts = {head.span_output if is_span else head.output: headed.out}
        if headed.pooler is not None:
            parts[head.projection] = headed.pooler
        for path, source in parts.items():
            model.get_submodule(path).load_state_dict(source.state_dict())
    return model.eval()


def _fitting(state: dict[str, Any], into: dict[str, Any]) -> dict[str, Any]:
    return {name: state.get(name, own) for name, own in into.items()}


def _export_adapter(job: ExportJob, folder: Path) -> None:
    wrapped: Any = job.trial_model.model
    wrapped.save_pretrained(folder, safe_serialization=True)
    config = deepcopy(wrapped.get_base_model().config)
    for name, value in activation_settings(job.trial_model).items():
        setattr(config, name, value)
    config.save_pretrained(folder)
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = job.config.model
    settings["revision"] = job.config.revision
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def activation_settings(made: "TrialModel") -> dict[str, Any]:
    """Fields of config.json that a swapped activation changes; none if it is the checkpoint's."""
    layout, function = made.base.layout, made.gates[0].gate.function
    if function == layout.activation:
        return {}
    return dict(family_of(layout).activation_settings(function, layout))


HF = Target(
    name="hf",
    title="transformers",
    extra="",
    problems=_problems,
    differences=_differences,
    export=_export,
)

"""CTranslate2's format for T5, in float32 or with int8 weights. It has no threshold."""

from pathlib import Path
from typing import Any

from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.target import ExportJob, float32_and_int8
from deft_sweeps.deploy.targets.stated_difference import in_float32, without_threshold
from deft_sweeps.models.families import family_of

EXTRA = "ct2"


def _problems(config: TrialConfig, layout: Layout) -> tuple[str, ...]:
    lines = []
    if family_of(layout).ct2_loader is None:
        lines.append("CTranslate2 runs models of this family without the head that answers")
    if not config.peft.merges:
        lines.append(
            "this PEFT method cannot be merged into the model's own weights, and CTranslate2"
            " computes nothing beside them"
        )
    return tuple(lines)


def _differences(config: TrialConfig, threshold: float, *, int8: bool) -> tuple[str, ...]:
    lines = in_float32(config) + without_threshold(threshold)
    if int8:
        lines.append("stores matrices in int8 and rounds each layer's input to int8 as it runs")
    return tuple(lines)


def _export(job: ExportJob, folder: Path, *, int8: bool) -> None:
    """Write `model.bin`, `config.json` and `shared_vocabulary.json`."""
    from deft_sweeps.deploy.float32_model import fill_removed_blocks_, float32_model
    from deft_sweeps.deploy.targets.ct2_conversion import convert
    from deft_sweeps.models.checkpoints import load_tokenizer

    made = float32_model(job)
    fill_removed_blocks_(made)
    model: Any = made.model
    model.config.dense_act_fn = made.gates[0].gate.function
    loader = family_of(made.base.layout).ct2_loader
    if loader is None:
        raise ValueError("; ".join(_problems(job.config, made.base.layout)))
    convert(model, load_tokenizer(job.config.checkpoint), loader, folder, int8=int8)


CT2, CT2_INT8 = float32_and_int8(
    "ct2",
    "CTranslate2",
    extra=EXTRA,
    problems=_problems,
    differences=_differences,
    export=_export,
)

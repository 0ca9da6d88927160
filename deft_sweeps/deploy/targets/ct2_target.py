"""CTranslate2's format for T5, in float32 or with int8 weights. It has no threshold."""

from functools import partial
from pathlib import Path
from typing import Any

from deft_sweeps.config.layout import Layout
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.deploy.target import ExportJob, Target
from deft_sweeps.deploy.targets.onnx_target import float32_differences
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
    lines = float32_differences(config)
    if threshold > 0:
        lines.append(
            f"computes with all gate entries, where the trial set those up to {threshold:g} to zero"
        )
    if int8:
        lines.append(
            "matrices are stored in int8, and each layer's input is rounded to int8 as it runs"
        )
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


CT2 = Target(
    name="ct2",
    title="CTranslate2, float32",
    extra=EXTRA,
    problems=_problems,
    differences=partial(_differences, int8=False),
    export=partial(_export, int8=False),
)
CT2_INT8 = Target(
    name="ct2-int8",
    title="CTranslate2, int8",
    extra=EXTRA,
    problems=_problems,
    differences=partial(_differences, int8=True),
    export=partial(_export, int8=True),
)

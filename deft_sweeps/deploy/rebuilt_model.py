"""A bundle's model in torch, its gates at their thresholds: loaded merged, or built again as the
trial was.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from deft_sweeps.axes.activation.gate import Gates, install_gates_
from deft_sweeps.axes.adaptive import remove_block_
from deft_sweeps.config.axes import NoPruning
from deft_sweeps.config.layout import Layout
from deft_sweeps.deploy.manifest import WEIGHTS_NAME, Manifest
from deft_sweeps.models import checkpoints
from deft_sweeps.models.families import layout
from deft_sweeps.models.quiet_loading import quiet_loading
from deft_sweeps.result import SkippedBlocks
from deft_sweeps.trial.base import build_base
from deft_sweeps.trial.build import build
from deft_sweeps.trial.heads import HeadSpec


def open_model(folder: Path, manifest: Manifest) -> tuple[nn.Module, Layout, Gates]:
    """The model in evaluation mode, its shape, and its gates.

    Args:
        folder: of the bundle.
        manifest: of it.

    Raises:
        CheckpointError: the base cannot be had.
    """
    if manifest.is_merged:
        model, shape, gates = _merged(folder / "hf", manifest)
    else:
        model, shape, gates = _rebuilt(folder, manifest)
    for at, threshold in zip(gates, _spread(manifest.training.gate_thresholds, gates), strict=True):
        at.gate.threshold = threshold
    return model.eval().requires_grad_(False), shape, gates


def _spread(thresholds: tuple[float, ...], gates: Gates) -> tuple[float, ...]:
    return thresholds if len(thresholds) == len(gates) else thresholds[:1] * len(gates)


def open_plain(folder: Path, manifest: Manifest) -> tuple[nn.Module, Layout]:
    """A merged model as transformers opens it, and the shape of what lies under its head.

    Args:
        folder: `hf` of a bundle.
        manifest: of the bundle.
    """
    if not manifest.task.n_outputs:
        model = checkpoints.load_model(str(folder), "fp32")
        return model, _shape_of(model)
    is_span = manifest.task.kind == "span"
    name = "AutoModelForQuestionAnswering" if is_span else "AutoModelForSequenceClassification"
    with quiet_loading():
        loaded: Any = getattr(transformers, name).from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    return SpanLogits(loaded) if is_span else loaded, _shape_of(loaded)


def _shape_of(model: Any) -> Layout:
    return layout(model.config.to_dict())


def _merged(folder: Path, manifest: Manifest) -> tuple[nn.Module, Layout, Gates]:
    model, shape = open_plain(folder, manifest)
    inner: Any = model.model if isinstance(model, SpanLogits) else model
    encoder = getattr(inner, inner.base_model_prefix) if manifest.task.n_outputs else inner
    gates = install_gates_(encoder, shape, "pretrained")
    _remove_(encoder, shape, gates, manifest.training.removed)
    return model, shape, gates


def _remove_(model: nn.Module, shape: Layout, gates: Gates, removed: SkippedBlocks) -> None:
    """Take the blocks out that a merged model holds as zeros."""
    for block, at in zip(shape.blocks, gates, strict=True):
        if block.index in getattr(removed, block.stack):
            remove_block_(model, block, at)


def _rebuilt(folder: Path, manifest: Manifest) -> tuple[nn.Module, Layout, Gates]:
    training, base = manifest.training, manifest.base
    config = training.config
    if base.folder:
        # The copy is pruned and has the activation in its config.
        config = replace(
            config,
            model=str(folder / base.folder),
            revision=None,
            pruning=NoPruning(),
            activation="pretrained",
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = manifest.task
    head = HeadSpec(task.kind, task.n_outputs) if task.n_outputs else None
    with torch.random.fork_rng():
        made = build(build_base(config, None, device), config, training.seed, head)
    made.load((folder / WEIGHTS_NAME).read_bytes())
    return made.model, made.base.layout, made.gates


class SpanLogits(nn.Module):
    """A model for question answering whose start and end logits are one tensor.

    Args:
        model: of transformers.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, attention_mask: Tensor, **inputs: Tensor) -> SimpleNamespace:
        """`logits`: (batch, tokens, 2), lowest on padding."""
        out = self.model(attention_mask=attention_mask, **inputs)
        logits = torch.stack([out.start_logits, out.end_logits], dim=-1)
        padding = attention_mask.unsqueeze(-1) == 0
        return SimpleNamespace(logits=logits.masked_fill(padding, torch.finfo(logits.dtype).min))

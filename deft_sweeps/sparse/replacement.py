"""Puts sparse MLP blocks in place of a loaded model's own."""

from typing import cast

import torch
from torch import nn

from deft_sweeps.axes.activation.gate import Gate, Gates
from deft_sweeps.config.layout import Block, Layout
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.sparse.mlp_block import PackedLinear, SparseDown, SparseGatedMlp
from deft_sweeps.sparse.packed_rows import Storage, pack_rows

USE_TORCH = "use the runtime torch"


def sparse_mlp_(
    model: nn.Module,
    layout: Layout,
    gates: Gates,
    *,
    storage: Storage | None = None,
    n_threads: int | None = None,
) -> int:
    """Have every MLP block that is there compute only the active rows of its gate.

    The model is for inference afterwards: dropout is gone from the gated blocks, and the weights
    are in no state dict. Each block's old weights are released before the next one is packed.

    Args:
        model: on the CPU; the model of the layout, or one that holds it.
        layout: of the model.
        gates: of the model, in the layout's order; blocks whose gate is skipped were removed.
        storage: of the weights; None for each matrix's own dtype.
        n_threads: of the kernel; None for as many as torch has at each call.

    Returns:
        How many blocks were replaced.

    Raises:
        ConfigError: a block cannot be replaced; every reason is listed, and nothing was changed.
    """
    at_prefix = _prefix(model, layout, gates)
    present = [block for block, at in zip(layout.blocks, gates, strict=True) if not at.gate.skipped]
    problems = [
        Problem(name, what, remedy)
        for block in present
        for name, what, remedy in _problems(model, at_prefix, block)
    ]
    if problems:
        raise ConfigError(problems)
    for block in present:
        _replace_(model, at_prefix, block, storage, n_threads)
    return len(present)


def _prefix(model: nn.Module, layout: Layout, gates: Gates) -> str:
    """What the layout's names are preceded by in `model`: a head or PEFT wraps the base."""
    block_of = {id(at.gate): block for block, at in zip(layout.blocks, gates, strict=True)}
    named = ((str(name), block_of.get(id(module))) for name, module in model.named_modules())
    for name, block in named:
        if block is not None and name.endswith(block.activation):
            return name.removesuffix(block.activation)
    return ""


def _linears(block: Block) -> dict[str, str]:
    """Module path by role, of the MLP's projections."""
    return {one.role: one.name for one in block.linears if one.role in ("gate", "up", "down")}


def _problems(model: nn.Module, prefix: str, block: Block) -> list[tuple[str, str, str]]:
    problems = []
    for name in _linears(block).values():
        try:
            module = model.get_submodule(prefix + name)
        except AttributeError:
            problems.append((name, "the MLP is wrapped, as by a bottleneck adapter", USE_TORCH))
            continue
        if hasattr(module, "base_layer"):
            what = f"a PEFT method holds this layer ({type(module).__name__})"
            problems.append((name, what, "merge it first, or use the runtime torch"))
        elif type(module) is not nn.Linear or not module.weight.is_floating_point():
            what = f"its weights are packed ({type(module).__name__})"
            problems.append((name, what, USE_TORCH))
        elif module.weight.device.type != "cpu":
            what = f"its weights are on {module.weight.device}; the kernel runs on the CPU"
            problems.append((name, what, "move the model to the CPU"))
        elif module.bias is not None and "up" in _linears(block):
            problems.append((name, "a gated MLP's projections have no bias here", USE_TORCH))
    return problems


def _replace_(
    model: nn.Module, prefix: str, block: Block, storage: Storage | None, n_threads: int | None
) -> None:
    names = _linears(block)
    linears = {role: cast(nn.Linear, model.get_submodule(prefix + names[role])) for role in names}
    # T5 keeps `wo` in float32 beside bfloat16; the kernel reads both projections alike.
    own: Storage = "fp32" if linears["gate"].weight.dtype == torch.float32 else "bf16"
    packed = {
        role: pack_rows(linear.weight.t() if role == "down" else linear.weight, storage or own)
        for role, linear in linears.items()
    }
    if "up" in packed:
        act = cast(Gate, model.get_submodule(prefix + block.activation))
        whole = SparseGatedMlp(packed["gate"], packed["up"], packed["down"], act, n_threads)
        model.set_submodule(prefix + block.mlp, whole)
        return
    biases = {role: linear.bias for role, linear in linears.items()}
    into = PackedLinear(packed["gate"], biases["gate"], n_threads)
    back = SparseDown(packed["down"], biases["down"], n_threads)
    model.set_submodule(prefix + names["gate"], into)
    model.set_submodule(prefix + names["down"], back)

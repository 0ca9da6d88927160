"""A trained model in float32 on the CPU, dense and with its PEFT method merged, as exporters read
it.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from deft_sweeps.axes.activation.gate import Gates
from deft_sweeps.axes.adaptive import module_paths
from deft_sweeps.config.axes import Unquantized
from deft_sweeps.deploy.target import ExportJob
from deft_sweeps.trial.base import FrozenBase
from deft_sweeps.trial.build import TrialModel, build
from deft_sweeps.trial.heads import Headed, HeadSpec


def float32_model(job: ExportJob) -> TrialModel:
    """A copy of the job's model that computes in float32, with its thresholds set for good.

    Packed weights are written out. What a PEFT method adds to a linear layer is merged into it;
    virtual tokens and bottleneck adapters stay modules of their own. `trained` holds the parameters
    as they were before the merge.
    """
    trained = job.trial_model
    base = _dense_base(trained.base)
    config = replace(job.config, dtype="fp32", quantization=Unquantized())
    head = HeadSpec(job.data.kind, job.n_outputs) if job.n_outputs else None
    with torch.random.fork_rng():
        copy = build(base, config, seed=0, head=head)
    copy.load(trained.save())
    _take_drawn_(copy, trained.model)
    _set_thresholds_(copy.gates, job)
    model = _merged(copy.model).eval()
    return replace(copy, model=model.requires_grad_(False))


def _dense_base(base: FrozenBase) -> FrozenBase:
    from peft.utils.integrations import dequantize_module_weight

    model, _ = base.fork()
    for linear in base.layout.linears:
        packed: Any = model.get_submodule(linear.name)
        if type(packed) is nn.Linear:
            continue
        dense = nn.Linear(linear.in_features, linear.out_features, bias=packed.bias is not None)
        with torch.no_grad():
            dense.weight.copy_(dequantize_module_weight(packed))
            if packed.bias is not None:
                dense.bias.copy_(packed.bias)
        model.set_submodule(linear.name, dense)
    _copy_tensors_(model)
    any_model: Any = model
    any_model.set_attn_implementation("eager")
    key = replace(base.key, dtype="fp32", quantization=Unquantized(), device="cpu")
    return replace(base, key=key, model=model.eval())


def _copy_tensors_(model: nn.Module) -> None:
    """Give a fork tensors of its own, in float32 on the CPU; what modules share, they share
    afterwards.
    """
    copies: dict[int, Any] = {}

    def copied(tensor: Tensor) -> Tensor:
        dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
        return tensor.detach().to("cpu", dtype, copy=True)

    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) not in copies:
                copies[id(parameter)] = nn.Parameter(copied(parameter), requires_grad=False)
            setattr(module, name, copies[id(parameter)])
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, copied(buffer))


@torch.no_grad()
def _take_drawn_(copy: TrialModel, source: nn.Module) -> None:
    """Take over what the method added and does not train, such as VeRA's random projections."""
    of_base = {id(tensor) for _, tensor in _tensors(copy.base.model)}
    drawn = dict(_tensors(source))
    for name, tensor in _tensors(copy.model):
        if id(tensor) not in of_base and name not in copy.trained:
            tensor.copy_(drawn[name])


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _set_thresholds_(gates: Gates, job: ExportJob) -> None:
    for at in gates:
        at.gate.threshold = job.threshold
    if job.block_thresholds:
        for at, threshold in zip(gates, job.block_thresholds, strict=True):
            at.gate.block_threshold = threshold


def _merged(model: nn.Module) -> nn.Module:
    if isinstance(model, Headed):
        model.encoder = _merged(model.encoder)
        return model
    settings: Any = getattr(model, "active_peft_config", None)
    if settings is None or settings.is_prompt_learning:
        return model
    wrapped: Any = model
    merged: nn.Module = wrapped.merge_and_unload()
    return merged


@torch.no_grad()
def fill_removed_blocks_(made: TrialModel) -> None:
    """Put back an MLP where a block was removed, with weights of zero, and take the block gates
    out: what formats with a fixed number of blocks need. The outputs are the same.
    """
    if made.blocks is None:
        return
    model, blocks = made.blocks.model, made.base.layout.blocks
    for block, gated, at in zip(blocks, made.blocks.mlps, made.gates, strict=True):
        if not at.gate.skipped:
            model.set_submodule(block.mlp, gated.mlp)
    remaining = next(
        block for block, at in zip(blocks, made.gates, strict=True) if not at.gate.skipped
    )
    for block, at in zip(blocks, made.gates, strict=True):
        if at.gate.skipped:
            for target, source in zip(module_paths(block), module_paths(remaining), strict=True):
                silent = deepcopy(model.get_submodule(source))
                for parameter in silent.parameters():
                    parameter.zero_()
                model.set_submodule(target, silent)

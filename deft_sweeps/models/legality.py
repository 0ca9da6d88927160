"""What a configuration asks of a model that its shape does not have. Loads no torch."""

from collections.abc import Iterable
from typing import assert_never

from deft_sweeps.config.axes import (
    AdaDeft,
    AdaLora,
    Adapter,
    DensityLoss,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Nf4,
    NoPruning,
    Oft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Quantization,
    Targeted,
    Unquantized,
    Vera,
    group_of,
)
from deft_sweeps.config.layout import Layout, Linear
from deft_sweeps.config.trial import TrialConfig


def packed_linears(quantization: Quantization, layout: Layout) -> tuple[Linear, ...]:
    """The layers whose weights a quantization packs.

    T5's projection back to d_model is left out of int8: its input reaches 66,246 in Flan-T5-XXL, beyond float16.
    """
    match quantization:
        case Unquantized():
            return ()
        case Nf4() | Fp4():
            return layout.linears
        case Int8():
            return tuple(linear for linear in layout.linears if layout.family != "t5" or linear.role != "down")
        case _:
            assert_never(quantization)


def unmeasured(metrics: Iterable[str], layout: Layout, *, writes: bool) -> list[str]:
    """Which of the metrics that a sweep compares or limits no trial of this model and task will have, and why.

    Args:
        metrics: names of `objective.METRICS`.
        layout: of the model.
        writes: whether answers to the task are generated.
    """
    asked = dict.fromkeys(metrics)
    told = []
    if "decoder_density" in asked and not layout.has_decoder:
        told.append("decoder_density is never measured: the model has no decoder, and activation_density is its encoder's")
    if "written_density" in asked and not (layout.has_decoder and writes):
        told.append("written_density is never measured: the model does not write its answers to this task token by token")
    return told


def misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """Why `config` cannot run on a model of this layout; empty where it can."""
    found = (_peft_misfits, _pattern_misfits, _stack_misfits, _adaptive_misfits)
    return [told for look in found for told in look(config, layout)]


def _stack_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """What a density loss says of the stack that an encoder lacks."""
    loss = config.density
    if layout.has_decoder or not isinstance(loss, DensityLoss):
        return []
    if loss.encoder_weight == 0:
        return [f"encoder_weight 0 leaves nothing of the density loss: {config.model} has no decoder"]
    if loss.decoder_weight != DensityLoss().decoder_weight or loss.stacks != DensityLoss().stacks:
        return [f"decoder_weight and stacks have no effect on {config.model}, which has no decoder, so one trial would run under two names"]
    return []


def _pattern_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """An n:m pattern counts along a row, so m must divide every input width."""
    group = None if isinstance(config.pruning, NoPruning) else group_of(config.pruning.pattern)
    odd = {linear.role: linear.in_features for linear in layout.linears if group is not None and linear.in_features % group}
    told = ", ".join(f"{role} has {width}" for role, width in odd.items())
    return [f"a pattern with groups of {group} needs layers whose number of inputs it divides, but {told}"] if odd else []


def _adaptive_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    n_blocks = len(layout.blocks)
    if isinstance(config.adaptive, AdaDeft) and config.adaptive.skip >= n_blocks:
        return [f"ada skip {config.adaptive.skip} would leave none of the {n_blocks} MLP blocks of {config.model}; at most {n_blocks - 1}"]
    return []


def _peft_misfits(config: TrialConfig, layout: Layout) -> list[str]:
    method = config.peft
    match method:
        case Lora() | AdaLora() | Ia3() | Vera() | Oft():
            return _targets_that_misfit(method, config.model, layout)
        case PrefixTuning() | PromptTuning() | PTuning():
            return _prompts_that_misfit(config, layout)
        case Adapter():
            return _adapters_that_misfit(method, config.model, layout)
        case _:
            assert_never(method)


def _prompts_that_misfit(config: TrialConfig, layout: Layout) -> list[str]:
    density, prefixed = config.density, isinstance(config.peft, PrefixTuning) and layout.has_decoder
    if prefixed and isinstance(density, DensityLoss) and density.decoder_weight == 0:
        return ["prefix_tuning trains nothing before the encoder's gates, so a density loss on the encoder alone would do nothing"]
    return []


def _adapters_that_misfit(method: Adapter, model: str, layout: Layout) -> list[str]:
    told = []
    if method.reduction > layout.d_model:
        told.append(f"adapter reduction {method.reduction} is more than the model's width, {layout.d_model}")
    if method.placement == "parallel" and any(block.mlp in {linear.name for linear in block.linears} for block in layout.blocks):
        told.append(f"a parallel adapter sits beside a whole MLP, and {model} has no module that holds one")
    return told


def _targets_that_misfit(method: Targeted, model: str, layout: Layout) -> list[str]:
    there = {linear.role: linear for linear in layout.linears}
    absent = [role for role in method.targets if role not in there]
    told = [f"{method.kind} targets {', '.join(absent)}, but {model} has only {', '.join(there)}"] if absent else []
    targets = [there[role] for role in method.targets if role in there]
    match method:
        case Lora(r=r):
            return told + _too_high("lora r", r, targets)
        case AdaLora(r=r, extra=extra):
            return told + _too_high("adalora r + extra", r + extra, targets)
        case Oft(block=block):
            uneven = [f"{linear.role} ({linear.in_features})" for linear in targets if linear.in_features % block]
            return told + ([f"oft block {block} does not divide the input width of {', '.join(uneven)}"] if uneven else [])
        case Ia3() | Vera():
            return told
        case _:
            assert_never(method)


def _too_high(what: str, rank: int, targets: list[Linear]) -> list[str]:
    wide = [linear.role for linear in targets if rank > min(linear.in_features, linear.out_features)]
    return [f"{what} {rank} is more than the width of {', '.join(wide)}"] if wide else []

"""What a configuration asks of a model that its shape does not have. Loads no torch."""

from typing import assert_never

from deft_sweeps.config.axes import (
    AdaLora,
    Adapter,
    DensityLoss,
    Fp4,
    Ia3,
    Int8,
    Lora,
    Nf4,
    Oft,
    PrefixTuning,
    PromptTuning,
    PTuning,
    Quantization,
    Targeted,
    Unquantized,
    Vera,
)
from deft_sweeps.config.trial import TrialConfig
from deft_sweeps.models.families import Layout, Linear


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


def misfits(config: TrialConfig, layout: Layout) -> list[str]:
    """Why `config` cannot run on a model of this layout; empty where it can."""
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
    if not any(block.stack == "decoder" for block in layout.blocks):
        return [f"{config.peft.kind} is made for encoder-decoders, and {config.model} has no decoder"]
    density = config.density
    if isinstance(config.peft, PrefixTuning) and isinstance(density, DensityLoss) and density.decoder_weight == 0:
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

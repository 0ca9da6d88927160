"""The PEFT method: what is trained beside the frozen base."""

import logging
from typing import Any, assert_never

import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, OFTConfig, VeraConfig, get_peft_model
from torch import nn

from deft_sweeps.axes.peft import bottleneck, prompts
from deft_sweeps.axes.peft.masked_lora import mask_updates_
from deft_sweeps.axes.peft.rank_allocation import RankAllocation, phases
from deft_sweeps.config.axes import AdaLora, Adapter, Ia3, Lora, Oft, Peft, PrefixTuning, PromptTuning, PTuning, Targeted, Vera
from deft_sweeps.config.layout import Layout
from deft_sweeps.errors import ConfigError, Problem


def attach(model: nn.Module, layout: Layout, method: Peft, *, n_steps: int = 1000) -> nn.Module:
    """Attach trainable parameters, in float32, to a frozen model; random initial values come from torch's global generator.

    Args:
        model: whose parameters are frozen here.
        layout: where its layers are.
        method: what to attach.
        n_steps: of the training to come, which AdaLoRA plans its cuts by.

    Returns:
        The model to train: the one given, or a wrapper around it.

    Raises:
        ConfigError: the method targets layers that this family does not have.
    """
    model.requires_grad_(False)
    match method:
        case Lora() | AdaLora() | Ia3() | Vera() | Oft():
            return _on_linears(model, layout, method, n_steps)
        case PrefixTuning() | PromptTuning() | PTuning():
            return prompts.wrap(model, layout, method)
        case Adapter():
            bottleneck.insert_(model, layout, method)
            return model
        case _:
            assert_never(method)


def starts_as_identity(method: Peft) -> bool:
    """Whether the model computes what its base does until the first step; virtual tokens change it at once."""
    return not isinstance(method, PrefixTuning | PromptTuning | PTuning)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """What the optimiser changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def allocation(model: nn.Module, method: Peft) -> RankAllocation | None:
    """What the training loop must do for the method beside the gradient step; None for all but AdaLoRA."""
    return RankAllocation(model, method) if isinstance(method, AdaLora) else None


def _on_linears(model: nn.Module, layout: Layout, method: Targeted, n_steps: int) -> nn.Module:
    roles = {linear.role for linear in layout.linears}
    absent = [role for role in method.targets if role not in roles]
    if absent:
        known = ", ".join(sorted(roles))
        raise ConfigError([Problem(f"peft.{method.kind}.targets", f"{layout.family} has no layer {', '.join(absent)}; it has {known}")])
    # peft warns of tied or non-standard output layers whenever it wraps; none of them is touched here.
    logging.getLogger("peft").setLevel(logging.ERROR)
    wrapped: nn.Module = get_peft_model(model, _settings(layout, method, n_steps))
    for name, parameter in wrapped.named_parameters():
        if ".ranknum." in name:
            # The number of ranks is no weight; where the base is not in float32, peft's cast of it lets it train.
            parameter.requires_grad_(False)
    if isinstance(method, Lora) and method.dora:
        _set_lengths_(wrapped)
    if isinstance(method, Lora) and method.masked:
        mask_updates_(wrapped)
    if isinstance(method, AdaLora):
        _own_outputs_(wrapped)
    return wrapped


@torch.no_grad()
def _set_lengths_(model: nn.Module) -> None:
    """Start DoRA's lengths at those of the weight rows in float32, as its forward pass takes them: else a bfloat16 base is rescaled by
    the rounding."""
    for module in model.modules():
        layer: Any = module
        base = getattr(layer, "base_layer", None)
        if type(base) is nn.Linear:
            for length in layer.lora_magnitude_vector.values():
                length.weight.copy_(torch.linalg.norm(base.weight.float(), dim=1))


def _own_outputs_(model: nn.Module) -> None:
    """Let packed layers give outputs of their own: with a bias they are views, which AdaLoRA's sum in place breaks autograd on."""
    for module in model.modules():
        packed = getattr(module, "base_layer", None)
        if isinstance(packed, nn.Linear) and type(packed) is not nn.Linear:
            packed.register_forward_hook(lambda _, __, out: out.clone())


def _settings(layout: Layout, method: Targeted, n_steps: int) -> Any:
    """The method as peft takes it."""
    names = [linear.name for linear in layout.linears if linear.role in method.targets]
    # Without a task, peft's wrapper hands every argument through, as an encoder needs it.
    has_decoder = any(block.stack == "decoder" for block in layout.blocks)
    common: dict[str, Any] = {"target_modules": names, "task_type": "SEQ_2_SEQ_LM" if has_decoder else None}
    match method:
        case Lora(r=r, alpha=alpha, dropout=dropout, rslora=rslora, dora=dora):
            return LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, use_rslora=rslora, use_dora=dora, **common)
        case AdaLora(r=r, alpha=alpha, dropout=dropout):
            before, after = phases(method, n_steps)
            return AdaLoraConfig(
                target_r=r,
                init_r=r + method.extra,
                lora_alpha=alpha,
                lora_dropout=dropout,
                tinit=before,
                tfinal=after,
                deltaT=method.every,
                beta1=method.smoothing,
                beta2=method.smoothing,
                total_step=n_steps,
                **common,
            )
        case Ia3():
            scaled_inputs = [linear.name for linear in layout.linears if linear.role == "down" and linear.name in names]
            return IA3Config(feedforward_modules=scaled_inputs, **common)
        case Vera(r=r, d_initial=d_initial, dropout=dropout):
            key = torch.initial_seed() % 2**31
            return VeraConfig(r=r, d_initial=d_initial, vera_dropout=dropout, projection_prng_key=key, **common)
        case Oft(block=block):
            return OFTConfig(oft_block_size=block, r=0, **common)
        case _:
            assert_never(method)

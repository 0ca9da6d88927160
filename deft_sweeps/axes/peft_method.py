"""The PEFT method: what is trained beside the frozen base. Every method here is the identity when it is attached."""

import logging
from typing import assert_never

import torch
from torch import Tensor, nn

from deft_sweeps.axes.masked_lora import mask_updates_
from deft_sweeps.config.axes import Adapter, Lora, Peft
from deft_sweeps.errors import ConfigError, Problem
from deft_sweeps.models.families import Layout


def attach(model: nn.Module, layout: Layout, method: Peft) -> nn.Module:
    """Attach trainable parameters, in float32, to a frozen model; random initial values come from torch's global generator.

    Returns:
        The model to train: the one given, or a wrapper around it.

    Raises:
        ConfigError: the method targets layers that this family does not have.
    """
    model.requires_grad_(False)
    match method:
        case Lora():
            return _attach_lora(model, layout, method)
        case Adapter():
            for block in layout.blocks:
                model.set_submodule(block.mlp, AdaptedMlp(model.get_submodule(block.mlp), layout.d_model, method.reduction))
            return model
        case _:
            assert_never(method)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """What the optimiser changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


class AdaptedMlp(nn.Module):
    """An MLP and the bottleneck adapter after it: y + up(relu(down(y))), with `up` zero at the start."""

    def __init__(self, mlp: nn.Module, d_model: int, reduction: int) -> None:
        super().__init__()
        device = next(mlp.parameters()).device
        self.mlp = mlp
        self.down = nn.Linear(d_model, max(1, d_model // reduction), device=device)
        self.up = nn.Linear(self.down.out_features, d_model, device=device)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlp(x)
        added: Tensor = self.up(torch.relu(self.down(y.float())))
        return (y + added).to(y.dtype)


def _attach_lora(model: nn.Module, layout: Layout, method: Lora) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    names = [linear.name for block in layout.blocks for linear in block.linears if linear.role in method.targets]
    roles = {linear.role for block in layout.blocks for linear in block.linears}
    absent = [role for role in method.targets if role not in roles]
    if absent:
        raise ConfigError(
            [Problem("peft.lora.targets", f"{layout.family} has no layer {', '.join(absent)}; it has {', '.join(sorted(roles))}")]
        )
    # peft warns of tied or non-standard output layers whenever it wraps; none of them is touched here.
    logging.getLogger("peft").setLevel(logging.ERROR)
    # Without a task, peft's wrapper hands every argument through, as an encoder needs it.
    task = "SEQ_2_SEQ_LM" if layout.has_decoder else None
    settings = LoraConfig(r=method.r, lora_alpha=method.alpha, lora_dropout=method.dropout, target_modules=names, task_type=task)
    wrapped: nn.Module = get_peft_model(model, settings)
    if method.masked:
        mask_updates_(wrapped)
    return wrapped

"""LoRA layers of peft, and what DoRA and masked updates change in them."""

from typing import Any

import torch
from peft import LoraConfig
from torch import nn

from deft_sweeps.axes.peft.low_rank_update import fuse_updates_
from deft_sweeps.axes.peft.masked_lora import mask_updates_
from deft_sweeps.axes.peft.wrapping import wrap_linears
from deft_sweeps.config.axes import Lora
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: Lora, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    wrapped = wrap_linears(
        model,
        layout,
        method,
        LoraConfig,
        r=method.r,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        use_rslora=method.rslora,
        use_dora=method.dora,
    )
    if method.dora:
        _set_lengths_(wrapped)
    if method.masked:
        mask_updates_(wrapped)
    fuse_updates_(wrapped)
    return wrapped


@torch.no_grad()
def _set_lengths_(model: nn.Module) -> None:
    """Start DoRA's lengths at those of the weight rows in float32, as its forward pass takes them:
    else a bfloat16 base is rescaled by the rounding.
    """
    for module in model.modules():
        layer: Any = module
        base = getattr(layer, "base_layer", None)
        if type(base) is nn.Linear:
            for length in layer.lora_magnitude_vector.values():
                length.weight.copy_(torch.linalg.norm(base.weight.float(), dim=1))

"""VeRA layers of peft."""

import torch
from peft import VeraConfig
from torch import nn

from deft_sweeps.axes.peft.wrapping import wrap_linears
from deft_sweeps.config.axes import Vera
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: Vera, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    return wrap_linears(
        model,
        layout,
        method,
        VeraConfig,
        r=method.r,
        d_initial=method.d_initial,
        vera_dropout=method.dropout,
        projection_prng_key=torch.initial_seed() % 2**31,
    )

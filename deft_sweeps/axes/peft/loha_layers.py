"""LoHa layers of peft."""

from peft import LoHaConfig
from torch import nn

from deft_sweeps.axes.peft.wrapping import wrap_linears
from deft_sweeps.config.axes.peft.loha import LoHa
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: LoHa, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    return wrap_linears(model, layout, method, LoHaConfig, r=method.r, alpha=method.alpha)

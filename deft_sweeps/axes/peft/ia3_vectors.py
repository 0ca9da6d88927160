"""IA3 layers of peft."""

from peft import IA3Config
from torch import nn

from deft_sweeps.axes.peft.wrapping import wrap_linears
from deft_sweeps.config.axes import Ia3
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: Ia3, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    scaled_inputs = [
        linear.name for linear in method.target_layers(layout) if linear.role == "down"
    ]
    return wrap_linears(model, layout, method, IA3Config, feedforward_modules=scaled_inputs)

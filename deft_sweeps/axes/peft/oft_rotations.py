"""OFT layers of peft."""

from peft import OFTConfig
from torch import nn

from deft_sweeps.axes.peft.wrapping import wrap_linears
from deft_sweeps.config.axes import Oft
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: Oft, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    return wrap_linears(model, layout, method, OFTConfig, oft_block_size=method.block, r=0)

"""Prefix tuning by peft."""

from peft import PrefixTuningConfig
from torch import nn

from deft_sweeps.axes.peft.prompts import prefixed_width, wrap
from deft_sweeps.config.axes import PrefixTuning
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: PrefixTuning, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    return wrap(
        model,
        layout,
        PrefixTuningConfig,
        num_virtual_tokens=method.virtual_tokens,
        # peft's guess would be d_model, which is not the width of the keys.
        token_dim=prefixed_width(layout)[1],
        num_transformer_submodules=2 if layout.has_decoder else 1,
    )

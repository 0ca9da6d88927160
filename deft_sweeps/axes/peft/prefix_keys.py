"""Prefix tuning by peft."""

from peft import PrefixTuningConfig
from torch import nn

from deft_sweeps.axes.peft.prompts import prefixed_width, wrap
from deft_sweeps.config.axes import PrefixTuning
from deft_sweeps.config.layout import Layout
from deft_sweeps.models.families import family_of


def attach(model: nn.Module, layout: Layout, method: PrefixTuning, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    n_blocks, width = prefixed_width(layout)
    return wrap(
        model,
        layout,
        PrefixTuningConfig,
        num_virtual_tokens=method.virtual_tokens,
        num_layers=n_blocks,
        # peft's guess would be d_model, which is not the width of the keys.
        token_dim=width,
        num_transformer_submodules=2 if family_of(layout).prompt_task == "SEQ_2_SEQ_LM" else 1,
    )

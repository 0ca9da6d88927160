"""P-tuning by peft."""

from peft import PromptEncoderConfig
from torch import nn

from deft_sweeps.axes.peft.prompts import wrap
from deft_sweeps.config.axes import PTuning
from deft_sweeps.config.layout import Layout


def attach(model: nn.Module, layout: Layout, method: PTuning, n_steps: int) -> nn.Module:
    """See `peft_method.attach`."""
    return wrap(
        model,
        layout,
        PromptEncoderConfig,
        num_virtual_tokens=method.virtual_tokens,
        token_dim=layout.d_model,
        num_transformer_submodules=1,
        encoder_hidden_size=method.hidden,
    )
